-- What waits for its time (state 0), or was let go when it came: since when it may leave.
ALTER TABLE message ADD COLUMN due_ms INTEGER;
CREATE INDEX message_due ON message (provider, due_ms) WHERE state = 0;
-- What left later than it was accepted counts for its person when it leaves.
CREATE INDEX message_later ON message (recipient, due_ms) WHERE due_ms IS NOT NULL;
