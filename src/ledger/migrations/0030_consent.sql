-- Who agreed to which texts, and who withdrew it. Nothing is overwritten: of the rows of a number and a purpose the
-- one of the latest time counts, of several of one moment the withdrawal, and without one what expires first.
CREATE TABLE consent (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used twice: pages of an export go on behind it
    number      TEXT NOT NULL,
    purpose     INTEGER NOT NULL,        -- 0 transactional, 1 marketing
    given       INTEGER NOT NULL,        -- 1 they agreed, 0 they withdrew it
    source      TEXT NOT NULL,           -- where they said so
    wording     TEXT,                    -- the version of what they agreed to
    at_ms       INTEGER NOT NULL,        -- when they said so
    expires_ms  INTEGER,                 -- from when on it does not count any more
    recorded_ms INTEGER NOT NULL,
    recorded_by TEXT NOT NULL,           -- who wrote it down, as a principal is written; nobody where it was a STOP
    approver    TEXT,                    -- whose proof it was
    import      INTEGER                  -- the import that it came with
) STRICT;
CREATE INDEX consent_latest ON consent (number, purpose, at_ms DESC, given, coalesce(expires_ms, 9223372036854775807));
-- Who wants no more texts by now agrees to none that is written down later, and was given before.
INSERT INTO consent (number, purpose, given, source, at_ms, recorded_ms, recorded_by)
SELECT number, purpose, 0, 'opt-out: ' || source, at_ms, at_ms, ''
FROM opt_out, (SELECT 0 AS purpose UNION ALL SELECT 1);
-- Files of consents that were taken in, or are being: their rows are there for nobody while `owner` is set.
CREATE TABLE consent_import (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    owner       INTEGER,                 -- the instance that takes it in; 0 where it is being taken back
    begun_ms    INTEGER NOT NULL,
    first       INTEGER NOT NULL         -- its rows have this id or a later one
) STRICT;
-- Long replies that ask for no more texts, which nobody has read yet (wish 3 of `pending`).
CREATE INDEX pending_objection ON pending (ending) WHERE settled_ms IS NULL AND wish = 3;
-- Who was asked whether they want texts, and has not answered yet.
CREATE TABLE consent_ask (
    number      TEXT PRIMARY KEY,
    purpose     INTEGER NOT NULL,
    wording     TEXT NOT NULL,           -- the version of the question
    at_ms       INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL,        -- a yes from then on is none
    asked_by    TEXT NOT NULL            -- who asked, as a principal is written
) STRICT, WITHOUT ROWID;
