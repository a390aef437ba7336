-- Several providers: what they say later, how fast each may be asked, and what the operator's own system is told.

ALTER TABLE message ADD COLUMN forward INTEGER NOT NULL DEFAULT 0;   -- 1: its changes are told to the operator's own system
ALTER TABLE message ADD COLUMN look_ms INTEGER;                      -- when to ask the provider about it next
-- Messages that one request carried share this number: the sequence of the first of them, or for a campaign its
-- batch's, negative. A report about all of them that comes before all are settled is kept for the others.
ALTER TABLE message ADD COLUMN request INTEGER;
CREATE INDEX message_look ON message (provider, look_ms) WHERE look_ms IS NOT NULL;
-- The head of each provider's queue, however long another's is.
CREATE INDEX message_queued ON message (provider, seq) WHERE state = 1;
CREATE INDEX message_unknown ON message (provider, seq) WHERE state = 9;

-- As before, and also whom it speaks of, and what it says about the price.
ALTER TABLE early_receipt RENAME TO early_receipt_1;
CREATE TABLE early_receipt (
    vendor_id   TEXT NOT NULL,
    provider    TEXT NOT NULL,
    recipient   TEXT NOT NULL DEFAULT '',   -- empty: every message with this id
    state       INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    why         TEXT,
    price_micros INTEGER,
    received_ms INTEGER NOT NULL,
    PRIMARY KEY (vendor_id, provider, recipient, state)
) STRICT, WITHOUT ROWID;
INSERT INTO early_receipt (vendor_id, provider, state, at_ms, why, received_ms)
    SELECT vendor_id, provider, state, at_ms, why, received_ms FROM early_receipt_1;
DROP TABLE early_receipt_1;
CREATE INDEX early_receipt_received ON early_receipt (received_ms);

CREATE TABLE reply (
    seq         INTEGER PRIMARY KEY,
    provider    TEXT NOT NULL,
    vendor_id   TEXT NOT NULL,           -- the provider's id of the reply
    message     INTEGER,                 -- the message that it probably answers
    sender      TEXT NOT NULL,           -- the person
    recipient   TEXT NOT NULL,
    text        TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    UNIQUE (provider, vendor_id)
) STRICT;
CREATE INDEX reply_message ON reply (message, at_ms) WHERE message IS NOT NULL;

CREATE TABLE opt_out (
    number      TEXT PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    source      TEXT NOT NULL            -- reply, operator, or the provider's name
) STRICT, WITHOUT ROWID;

-- What is still to be told to the operator's own system, written in the transaction that made it so.
CREATE TABLE forward (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used twice: who tells it names it by this
    id          TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    body        TEXT NOT NULL,           -- JSON
    due_ms      INTEGER NOT NULL DEFAULT 0,
    tries       INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX forward_due ON forward (due_ms);
-- The events of one message, whose ids begin alike.
CREATE INDEX forward_id ON forward (id);

-- How many requests a provider was sent, in a second (its number since 1970), and in a UTC day (its number, negative).
CREATE TABLE rate (
    provider    TEXT NOT NULL,
    slot        INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    PRIMARY KEY (provider, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE key (
    name        TEXT PRIMARY KEY,
    bytes       BLOB NOT NULL
) STRICT, WITHOUT ROWID;
