-- Replies of somebody who writes faster than anybody reads: kept and counted, and not shown.
ALTER TABLE reply ADD COLUMN unshown INTEGER NOT NULL DEFAULT 0;
CREATE INDEX reply_sender ON reply (sender, at_ms);
CREATE INDEX reply_shown ON reply (message, at_ms) WHERE message IS NOT NULL AND unshown = 0;
