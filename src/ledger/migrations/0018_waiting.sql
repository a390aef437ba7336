-- What waits, by whom: where one of them is paused, the others' is found without reading all of theirs.
CREATE INDEX message_waiting ON message (provider, principal, seq) WHERE state = 1;
