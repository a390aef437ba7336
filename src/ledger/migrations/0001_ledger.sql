-- The ledger. Amounts are in millionths of the currency's unit, times in milliseconds since 1970 (UTC).

CREATE TABLE instance (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used twice: messages name their owner by it
    name        TEXT NOT NULL UNIQUE,   -- its lock file beside the ledger: locked means alive
    opened_ms   INTEGER NOT NULL
) STRICT;

CREATE TABLE budget (
    id              INTEGER PRIMARY KEY,
    key             TEXT NOT NULL UNIQUE,
    scope           INTEGER NOT NULL,
    limit_micros    INTEGER,
    limit_messages  INTEGER,
    held_micros     INTEGER NOT NULL DEFAULT 0 CHECK (held_micros >= 0),
    spent_micros    INTEGER NOT NULL DEFAULT 0 CHECK (spent_micros >= 0),
    messages        INTEGER NOT NULL DEFAULT 0 CHECK (messages >= 0),
    frozen          INTEGER NOT NULL DEFAULT 0,
    -- The promise itself: whatever the code above it does, the ledger never takes a send over a limit.
    CHECK (frozen OR limit_micros IS NULL OR held_micros + spent_micros <= limit_micros),
    CHECK (frozen OR limit_messages IS NULL OR messages <= limit_messages)
) STRICT;
CREATE INDEX budget_frozen ON budget (id) WHERE frozen;

CREATE TABLE session (
    id              TEXT PRIMARY KEY,
    principal       TEXT NOT NULL,
    kind            INTEGER NOT NULL,   -- 0 named, 1 the principal's open one, 2 a handle
    parent          TEXT,
    label           TEXT,
    limit_micros    INTEGER,
    limit_messages  INTEGER,
    opened_ms       INTEGER NOT NULL,
    used_ms         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_open ON session (principal, kind, used_ms);

CREATE TABLE batch (
    seq         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    principal   TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    report      TEXT NOT NULL            -- JSON: recipients named twice, recipients refused
) STRICT;

CREATE TABLE message (
    seq         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    principal   TEXT NOT NULL,
    batch       INTEGER,
    recipient   TEXT NOT NULL,
    sender      TEXT,
    text        TEXT,
    keep_text   INTEGER NOT NULL,        -- 0: erased as soon as it cannot be sent any more
    digest      BLOB NOT NULL,
    encoding    TEXT NOT NULL,
    segments    INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    provider    TEXT NOT NULL,
    vendor_id   TEXT,
    created_ms  INTEGER NOT NULL,
    changed_ms  INTEGER NOT NULL,
    held_micros INTEGER NOT NULL,
    price_micros INTEGER,
    currency    TEXT NOT NULL,
    budgets     TEXT NOT NULL,           -- ids of the budgets that hold its money, with commas
    code        TEXT,
    why         TEXT,
    owner       INTEGER,                 -- the instance that works on it
    -- Its states so far, as the inside of a JSON list: [state, time] or [state, time, "why"]. It enters each state at
    -- most once, since states only move forward. Here, and not in a table, since it is always written with the row.
    history     TEXT NOT NULL
) STRICT;
CREATE INDEX message_recipient ON message (recipient, created_ms);
CREATE INDEX message_principal ON message (principal, seq);
CREATE INDEX message_vendor ON message (vendor_id, provider) WHERE vendor_id IS NOT NULL;
CREATE INDEX message_batch ON message (batch, seq) WHERE batch IS NOT NULL;
CREATE INDEX message_open ON message (state, seq) WHERE state IN (0, 1, 2);

CREATE TABLE idempotency (
    principal   TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    target      TEXT NOT NULL,           -- msg_… or bat_…
    PRIMARY KEY (principal, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_target ON idempotency (target);

-- Receipts that came before the answer that names their message.
CREATE TABLE early_receipt (
    vendor_id   TEXT NOT NULL,
    provider    TEXT NOT NULL,
    state       INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    why         TEXT,
    received_ms INTEGER NOT NULL,
    PRIMARY KEY (vendor_id, provider, state)
) STRICT, WITHOUT ROWID;

-- One row: when the sending rate is used up (generic cell rate algorithm), and the latest time of any send, which
-- tells a clock that was set back. Both in microseconds.
CREATE TABLE pace (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    until_us    INTEGER NOT NULL,
    latest_us   INTEGER NOT NULL
) STRICT;
INSERT INTO pace (id, until_us, latest_us) VALUES (1, 0, 0);
