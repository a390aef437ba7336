-- What people write in several segments is kept until it is told, and joined by whoever gets the last one. And what waits
-- here for something that may never come is counted, so that it can be bounded without looking at all of it.

CREATE TABLE long_reply (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used twice: the reply is named by this
    provider    TEXT NOT NULL,
    sender      TEXT NOT NULL,           -- as it is written
    spelled     TEXT NOT NULL,           -- what the provider says of it: e164, written, or the region of a national number
    recipient   TEXT NOT NULL,
    reference   INTEGER NOT NULL,        -- what the phone numbers its text with; it counts from 0 again soon
    total       INTEGER NOT NULL,
    since_ms    INTEGER NOT NULL,        -- when its first segment was recorded
    at_ms       INTEGER NOT NULL,        -- when the earliest of its segments was told first
    count       INTEGER NOT NULL,        -- its segments so far
    octets      INTEGER NOT NULL,        -- in all of them
    twin        INTEGER,                 -- the text that this may be, told again: so far it says nothing else
    state       INTEGER NOT NULL,        -- 0 waits for segments, 1 is to be told as it is, 2 was told
    due_ms      INTEGER                  -- in state 1 when the next process may tell it, in state 2 when it was told
) STRICT;
CREATE INDEX long_reply_key ON long_reply (provider, sender, recipient, reference, total);
CREATE INDEX long_reply_open ON long_reply (provider, since_ms, octets) WHERE state = 0;
CREATE INDEX long_reply_sender ON long_reply (provider, sender, since_ms) WHERE state = 0;
CREATE INDEX long_reply_due ON long_reply (provider, due_ms) WHERE state = 1;
CREATE INDEX long_reply_told ON long_reply (due_ms) WHERE state = 2;

CREATE TABLE long_reply_segment (
    text        INTEGER NOT NULL,
    number      INTEGER NOT NULL,        -- from 1
    coding      INTEGER NOT NULL,        -- the alphabet, as the protocol numbers it
    octets      BLOB,                    -- without a header; erased once the text was told
    digest      BLOB NOT NULL,           -- of both, by which it is known again
    vendor_id   TEXT NOT NULL,           -- the carrier's id of it; empty: it has none
    owner       INTEGER NOT NULL,        -- the instance that recorded it,
    recorded_ms INTEGER NOT NULL,        -- and when
    PRIMARY KEY (text, number)
) STRICT, WITHOUT ROWID;

ALTER TABLE reply ADD COLUMN is_whole INTEGER NOT NULL DEFAULT 1;   -- 0: a segment of it never came

-- How much there is of something, and how often something happened: by provider.
CREATE TABLE tally (
    name        TEXT NOT NULL,
    provider    TEXT NOT NULL,
    count       INTEGER NOT NULL,
    PRIMARY KEY (name, provider)
) STRICT, WITHOUT ROWID;
INSERT INTO tally (name, provider, count) SELECT 'early_receipt', provider, count(*) FROM early_receipt GROUP BY provider;
CREATE TRIGGER early_receipt_added AFTER INSERT ON early_receipt BEGIN
    INSERT INTO tally (name, provider, count) VALUES ('early_receipt', NEW.provider, 1) ON CONFLICT (name, provider) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER early_receipt_gone AFTER DELETE ON early_receipt BEGIN
    UPDATE tally SET count = count - 1 WHERE name = 'early_receipt' AND provider = OLD.provider;
END;
CREATE INDEX early_receipt_oldest ON early_receipt (provider, received_ms);
