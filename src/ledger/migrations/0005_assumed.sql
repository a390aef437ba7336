-- A price that nobody told is told apart from one that is known.
ALTER TABLE message ADD COLUMN price_assumed INTEGER NOT NULL DEFAULT 0;   -- 1: nobody told its price; what is held or posted is the operator's assumption
