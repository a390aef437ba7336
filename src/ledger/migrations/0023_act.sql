-- What operators did that lets agents do more than before, or that says what happened: written before it is done, so that
-- nothing of it is done that is not here.
CREATE TABLE act (
    id          INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    who         TEXT NOT NULL,               -- who acts, as a principal is written
    verb        TEXT NOT NULL,               -- the command: budget unfreeze
    subject     TEXT NOT NULL                -- what it is about: a budget, a number, a message
) STRICT;
