-- Who said STOP: people are found by how their numbers end, and what nobody can tell waits for the operator.

-- Distinct recipients by their last six characters, which no spelling of a number changes.
CREATE INDEX message_ending ON message (substr(recipient, -6), recipient);
CREATE INDEX opt_out_ending ON opt_out (substr(number, -6));

CREATE TABLE pending (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used twice: the operator names it by this
    provider    TEXT NOT NULL,
    sender      TEXT NOT NULL,           -- as it is written
    ending      TEXT,                    -- its last six digits; empty: it has fewer; nothing: it is no number
    wish        INTEGER NOT NULL,        -- 0 no more texts, 1 texts again, 2 neither: a reply that several people fit
    source      TEXT NOT NULL,           -- reply, or the provider's name
    at_ms       INTEGER NOT NULL,        -- when it was said last
    people      TEXT NOT NULL,           -- who may have said it, with commas
    number      TEXT,                    -- who it was, as the operator said
    settled_ms  INTEGER,                 -- when the operator said so, or let it go
    UNIQUE (provider, sender, wish)
) STRICT;
CREATE INDEX pending_stop ON pending (ending) WHERE settled_ms IS NULL AND wish = 0;
-- Replies that are nobody's yet.
CREATE INDEX reply_unsettled ON reply (provider, sender) WHERE message IS NULL;
