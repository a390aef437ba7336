-- What carriers tell over the connections that they keep: what may be told again, and which wish was the later one.

-- Texts of people that were not acknowledged, or perhaps not heard as acknowledged, for whoever is told them again.
CREATE TABLE told (
    provider    TEXT NOT NULL,
    content     TEXT NOT NULL,           -- a digest of who wrote what to whom
    first_ms    INTEGER NOT NULL,        -- when it was told first
    PRIMARY KEY (provider, content)
) STRICT, WITHOUT ROWID;
CREATE INDEX told_first ON told (first_ms);

-- Who asked for texts again, and when last: an older STOP that is told again changes nothing about that.
CREATE TABLE opt_in (
    number      TEXT NOT NULL,
    provider    TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (number, provider)
) STRICT, WITHOUT ROWID;
CREATE INDEX opt_in_at ON opt_in (at_ms);

-- One row at most: when a process was last found dead.
CREATE TABLE death (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    at_ms       INTEGER NOT NULL
) STRICT;
