-- What a recipient or its turn keeps back rests in the queue, and so does what is later for the same person.
ALTER TABLE message ADD COLUMN rests_ms INTEGER;
CREATE INDEX message_rests ON message (recipient, seq) WHERE rests_ms IS NOT NULL;
CREATE INDEX message_rested ON message (provider, rests_ms, seq) WHERE state = 1 AND rests_ms IS NOT NULL;
