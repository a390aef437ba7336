-- What operators did to budgets, the clock, opt-outs and unknown texts: written before it is done.
CREATE TABLE act (
    id          INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    who         TEXT NOT NULL,               -- who acts, as a principal is written
    verb        TEXT NOT NULL,               -- the command: budget unfreeze
    subject     TEXT NOT NULL                -- what it is about: a budget, a number, a message
) STRICT;
