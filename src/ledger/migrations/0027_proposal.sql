-- What a person is to decide: a row for each call that waits for that, or waited.
CREATE TABLE proposal (
    seq         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    principal   TEXT NOT NULL,
    sandbox     INTEGER NOT NULL,
    message     INTEGER,                 -- a single message,
    batch       INTEGER,                 -- or a bulk
    reasons     TEXT NOT NULL,           -- why a person is asked, in our own words
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL,
    decision    INTEGER,                 -- nothing yet; 0 no, 1 yes, 2 nobody decided in time
    decided_ms  INTEGER,
    decided_by  TEXT,                    -- who acted, as a principal is written
    approver    TEXT,                    -- whose proof it was
    why         TEXT,                    -- why not, in the words of who said no
    swept       INTEGER NOT NULL DEFAULT 0,  -- whether all of its messages have gone on by the decision
    forward     INTEGER NOT NULL,        -- whether it is told to the operator's own system
    CHECK ((message IS NULL) <> (batch IS NULL))
) STRICT;
CREATE INDEX proposal_open ON proposal (expires_ms) WHERE decision IS NULL;
CREATE INDEX proposal_unswept ON proposal (seq) WHERE decision IS NOT NULL AND NOT swept;
CREATE UNIQUE INDEX proposal_message ON proposal (message) WHERE message IS NOT NULL;
CREATE UNIQUE INDEX proposal_batch ON proposal (batch) WHERE batch IS NOT NULL;
-- What was held for a message when a person was asked about it; nothing where nobody was.
ALTER TABLE message ADD COLUMN asked_micros INTEGER;
CREATE INDEX message_proposed ON message (principal, sandbox, held_micros) WHERE state = 11;
