-- Whether a client came back from asking its user to open the page of this proposal: such a round counts once.
ALTER TABLE proposal ADD COLUMN round_used INTEGER NOT NULL DEFAULT 0;
