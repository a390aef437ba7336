-- What is in doubt stays in mind: a text is known again in any spelling, and a frozen budget knows what froze it.

-- Digest of what a reader takes from the text (`sms::fold`); nothing on messages of older versions.
ALTER TABLE message ADD COLUMN folded BLOB;
-- Those of one person's messages whose outcome is unknown; they are few.
CREATE INDEX message_doubt ON message (recipient, principal) WHERE state = 9;

ALTER TABLE budget ADD COLUMN frozen_by TEXT;            -- the message whose charge was above what was held for it
ALTER TABLE budget ADD COLUMN frozen_held INTEGER;       -- what was held, or was posted before
ALTER TABLE budget ADD COLUMN frozen_charged INTEGER;    -- what was charged
