-- What a text is for (0 transactional, 1 marketing), and by when it expires that waits for its time.
ALTER TABLE message ADD COLUMN purpose INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN deliver_by_ms INTEGER;
