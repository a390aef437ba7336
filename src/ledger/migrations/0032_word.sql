-- One-time words that approvers were texted, as keyed hashes, and what each decides.
CREATE TABLE approval_word (
    hash        BLOB PRIMARY KEY,        -- HMAC-SHA-256 under the key `approval-word`
    proposal    TEXT NOT NULL,
    digest      BLOB NOT NULL,           -- what a yes is a yes to
    approver    TEXT NOT NULL,
    phone       TEXT NOT NULL,           -- E.164: it counts from there alone
    provider    TEXT NOT NULL,           -- by whom it went, and comes back
    made_ms     INTEGER NOT NULL,
    used_ms     INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX approval_word_made ON approval_word (made_ms);
CREATE INDEX approver_phone ON approver (phone) WHERE phone IS NOT NULL;
-- Wrong words since the last right one, and until when none is looked at.
ALTER TABLE approver ADD COLUMN word_wrong INTEGER NOT NULL DEFAULT 0;
ALTER TABLE approver ADD COLUMN word_paused_until_ms INTEGER NOT NULL DEFAULT 0;
