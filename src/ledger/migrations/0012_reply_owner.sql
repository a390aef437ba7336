-- Who recorded what a person wrote, for as long as it may not have been acknowledged: what a process that died had recorded may be
-- told again, and what anybody else did is not.
ALTER TABLE reply ADD COLUMN owner INTEGER;   -- the instance; nothing: it has left in good order, or that was long ago
CREATE INDEX reply_owner ON reply (owner) WHERE owner IS NOT NULL;
