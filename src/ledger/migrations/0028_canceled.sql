-- When a bulk was taken back as a whole: what comes back from a carrier after that ends so too.
ALTER TABLE batch ADD COLUMN canceled_ms INTEGER;
UPDATE batch SET canceled_ms = (SELECT max(m.changed_ms) FROM message m WHERE m.batch = batch.seq AND m.state = 8)
    WHERE EXISTS (SELECT 1 FROM message w WHERE w.batch = batch.seq AND w.state < 3);
