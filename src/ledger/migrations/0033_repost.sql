-- The request by which a message leaves, where its vendor promises to answer the identical one with its first
-- answer: written before that request does.
CREATE TABLE repost (
    message        TEXT PRIMARY KEY,   -- its id
    asked_provider TEXT NOT NULL,
    asked_digest   BLOB NOT NULL,      -- of all that the vendor is shown
    asked_ms       INTEGER NOT NULL,   -- when it left, or was about to
    again_ms       INTEGER             -- when it was posted once more, or was about to be: never a third time
) STRICT, WITHOUT ROWID;
CREATE INDEX repost_asked ON repost (asked_ms);
