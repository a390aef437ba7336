-- One index of who was texted in place of two: a message that is written touches one leaf of it and not two, and in a large ledger
-- neither is at hand.
DROP INDEX message_ending;
DROP INDEX message_recipient;
CREATE INDEX message_person ON message (substr(recipient, -6), recipient, created_ms);
