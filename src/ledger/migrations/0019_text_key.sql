-- Texts that are not to be kept are sealed under this key while they wait. It is written over, in its place, when none is needed any
-- more: both values of is_used take no room of their own, and the key is always as long.
CREATE TABLE text_key (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    key BLOB NOT NULL CHECK (length(key) = 32),
    is_used INTEGER NOT NULL CHECK (is_used IN (0, 1))
) STRICT;
INSERT INTO text_key (id, key, is_used) VALUES (1, randomblob(32), 0);
