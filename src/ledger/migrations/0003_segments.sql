-- Messages whose segments went out as requests of their own: each segment has an id of its own at the provider, and a
-- state of its own.

ALTER TABLE message ADD COLUMN parted INTEGER NOT NULL DEFAULT 0;   -- 1: it is found by its segments' ids, not by its own

CREATE TABLE segment (
    message     INTEGER NOT NULL,        -- the message's sequence
    number      INTEGER NOT NULL,        -- from 1
    provider    TEXT NOT NULL,
    vendor_id   TEXT,                    -- nothing where it was not taken, or nobody knows whether it was
    state       INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    why         TEXT,
    PRIMARY KEY (message, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX segment_vendor ON segment (vendor_id, provider) WHERE vendor_id IS NOT NULL;
