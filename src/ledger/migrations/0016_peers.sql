-- The strictest limits of all living processes hold, so each says what its own are, and where they come from.

ALTER TABLE instance ADD COLUMN peer TEXT;   -- JSON (sms::peer); nothing: it sends nothing, or is of an older version
