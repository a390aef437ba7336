-- Texts that are not to be kept and are still needed: few, and asked for with each claim.
CREATE INDEX message_unkept ON message (seq) WHERE NOT keep_text AND text IS NOT NULL;
