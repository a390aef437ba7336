-- Who may say yes to what agents may not do by themselves, and what they prove it with.
CREATE TABLE approver (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    public_key      TEXT UNIQUE,             -- a line of a .pub file; nothing where they have one-time codes
    secret          BLOB,                    -- what their codes are made of (RFC 6238), 20 octets
    phone           TEXT,                    -- E.164
    added_ms        INTEGER NOT NULL,
    added_by        TEXT NOT NULL,           -- who acted, as a principal is written
    approved_by     TEXT,                    -- whose proof it was; nothing for the first one
    used_step       INTEGER,                 -- the latest step whose code was used
    wrong           INTEGER NOT NULL DEFAULT 0,    -- wrong tries since the last right one
    paused_until_ms INTEGER NOT NULL DEFAULT 0,
    CHECK ((public_key IS NULL) <> (secret IS NULL) AND (secret IS NULL OR length(secret) = 20))
) STRICT;
-- The nonces of signatures that were a yes: each is one once.
CREATE TABLE used_nonce (
    nonce       BLOB PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    approver    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
ALTER TABLE act ADD COLUMN approver TEXT;
