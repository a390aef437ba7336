-- Which ledger this is and how often it was written, to be held against the mark outside it. One row. A ledger that was never
-- marked has no identity; one that was accepted by a person has a new one.
CREATE TABLE mark (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    identity    TEXT,
    count       INTEGER NOT NULL DEFAULT 0,  -- groups of writes, since it was marked
    at_ms       INTEGER,                     -- when the latest of them was
    is_behind   INTEGER NOT NULL DEFAULT 0,  -- whether the mark lacks an opt-out that is here
    base        INTEGER NOT NULL DEFAULT 0   -- at least so many groups were in the file itself when the log began anew
) STRICT;
INSERT INTO mark (id) VALUES (1);

-- Keys that were used in a ledger that was lost: a digest of each, as the mark knows them.
CREATE TABLE lost_key (
    digest      BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- When a person took a ledger in doubt as it was, and what that did.
CREATE TABLE acceptance (
    at_ms       INTEGER NOT NULL,
    who         TEXT NOT NULL,
    why         TEXT NOT NULL,
    identity    TEXT,                        -- the one that the ledger had before
    since_ms    INTEGER,                     -- what happened from then on may be missing
    unknown     INTEGER NOT NULL,
    opt_outs    INTEGER NOT NULL,
    budgets     INTEGER NOT NULL,
    is_frozen   INTEGER NOT NULL
) STRICT;
