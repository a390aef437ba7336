-- A large bulk is accepted in several transactions, and is there for nobody until the last of them.
ALTER TABLE batch ADD COLUMN accepting INTEGER;   -- the instance that accepts it; 0: it is withdrawn; nothing: it is accepted
CREATE INDEX batch_accepting ON batch (seq) WHERE accepting IS NOT NULL;
-- What the totals of a bulk are made of, and which of its messages need attention, without reading their texts.
CREATE INDEX message_totals ON message (batch, state, provider, sandbox, segments, price_assumed, price_micros, held_micros)
    WHERE batch IS NOT NULL;
