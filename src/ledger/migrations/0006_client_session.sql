-- Sessions of clients of the remote endpoint, so that they outlive a restart. The id itself is not kept: whoever shows it is
-- let into the session.
CREATE TABLE client_session (
    digest      BLOB PRIMARY KEY,   -- SHA-256 of the session's id
    principal   TEXT NOT NULL,
    initialize  TEXT NOT NULL,      -- what the client said of itself, as JSON
    used_ms     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
