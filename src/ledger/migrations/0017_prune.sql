-- What stays when old messages are forgotten ([ledger] keep_for).

-- Who was texted by messages that are forgotten, and by whom and as whom last: a STOP or a reply of theirs is theirs for ever.
CREATE TABLE texted (
    number      TEXT NOT NULL,
    sandbox     INTEGER NOT NULL,
    provider    TEXT NOT NULL,
    principal   TEXT NOT NULL,
    sender      TEXT,
    last_ms     INTEGER NOT NULL,        -- 0: no text to them left
    PRIMARY KEY (number, sandbox, provider, principal)
) STRICT, WITHOUT ROWID;
CREATE INDEX texted_ending ON texted (substr(number, -6), number);

-- The providers' ids of messages that are forgotten, for a while: what is told of them late is about them, and no riddle.
CREATE TABLE forgotten_id (
    vendor_id   TEXT NOT NULL,
    provider    TEXT NOT NULL,
    recipient   TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,        -- when it was forgotten
    PRIMARY KEY (vendor_id, provider, recipient)
) STRICT, WITHOUT ROWID;
CREATE INDEX forgotten_id_at ON forgotten_id (at_ms);

-- Bulks that are forgotten, as long as messages of them are still there: they are nobody's.
CREATE INDEX batch_forgotten ON batch (seq) WHERE principal = '';

-- The handles that are a part of a session.
CREATE INDEX session_parent ON session (parent) WHERE parent IS NOT NULL;

ALTER TABLE idempotency ADD COLUMN used_ms INTEGER NOT NULL DEFAULT 0;   -- when it was used last, to a day; 0: as long ago as its target
