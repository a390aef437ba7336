-- Whether a reply asks for the operator's help: it is kept and shown, and wakes no agent.
ALTER TABLE reply ADD COLUMN is_help INTEGER NOT NULL DEFAULT 0;
