-- What the sandbox carried is kept apart, so that it never answers, counts or blocks for a real provider: each message,
-- each key and each budget is of one side or the other.

ALTER TABLE message ADD COLUMN sandbox INTEGER NOT NULL DEFAULT 0;   -- 1: the sandbox carried it, and nothing left this machine
ALTER TABLE session ADD COLUMN sandbox INTEGER NOT NULL DEFAULT 0;   -- 1: it was opened where the sandbox carries all

-- Until now nothing said which. The sandbox's own ids tell: sbx, a letter, and three numbers. What has no id was the
-- sandbox's where every id of that provider's name is; in doubt a message stays a real one, which protects more.
UPDATE message SET sandbox = 1
 WHERE vendor_id GLOB 'sbx-[dfln]-[0-9a-f]*-[0-9a-f]*-[0-9a-f]*'
    OR (vendor_id IS NULL AND provider IN
        (SELECT provider FROM message WHERE vendor_id IS NOT NULL
          GROUP BY provider HAVING min(vendor_id GLOB 'sbx-[dfln]-[0-9a-f]*-[0-9a-f]*-[0-9a-f]*')));

-- What the sandbox spent and holds goes out of the budgets that real texts must fit in, and a budget that nothing but
-- the sandbox was in is not frozen any more.
CREATE TEMP TABLE sandbox_part AS
    SELECT part.value AS budget, sum(m.held_micros) AS held, sum(coalesce(m.price_micros, 0)) AS spent,
           sum(m.state NOT IN (7, 8) AND NOT (m.state = 6 AND m.price_micros IS NULL)) AS sent
      FROM message m, json_each('[' || m.budgets || ']') part WHERE m.sandbox GROUP BY part.value;
UPDATE budget SET held_micros = max(0, held_micros - p.held), spent_micros = max(0, spent_micros - p.spent), messages = max(0, messages - p.sent)
  FROM temp.sandbox_part p WHERE p.budget = budget.id;
UPDATE budget SET frozen = 0, limit_micros = max(limit_micros, held_micros + spent_micros), limit_messages = max(limit_messages, messages)
 WHERE frozen AND id IN (SELECT budget FROM temp.sandbox_part)
   AND id NOT IN (SELECT part.value FROM message m, json_each('[' || m.budgets || ']') part WHERE NOT m.sandbox);
DROP TABLE temp.sandbox_part;
UPDATE message SET budgets = '' WHERE sandbox;

ALTER TABLE idempotency RENAME TO idempotency_1;
DROP INDEX idempotency_target;
CREATE TABLE idempotency (
    principal   TEXT NOT NULL,
    sandbox     INTEGER NOT NULL,        -- 1: it stands for what the sandbox carried
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    target      TEXT NOT NULL,           -- msg_… or bat_…
    PRIMARY KEY (principal, sandbox, key)
) STRICT, WITHOUT ROWID;
INSERT INTO idempotency (principal, sandbox, key, fingerprint, target)
    SELECT principal,
           coalesce((SELECT m.sandbox FROM message m WHERE m.id = target),
                    (SELECT min(m.sandbox) FROM batch b JOIN message m ON m.batch = b.seq WHERE b.id = target), 0),
           key, fingerprint, target
      FROM idempotency_1;
DROP TABLE idempotency_1;
CREATE INDEX idempotency_target ON idempotency (target);

ALTER TABLE pace RENAME TO pace_1;
CREATE TABLE pace (
    sandbox     INTEGER PRIMARY KEY CHECK (sandbox IN (0, 1)),
    until_us    INTEGER NOT NULL,
    latest_us   INTEGER NOT NULL
) STRICT;
INSERT INTO pace (sandbox, until_us, latest_us) SELECT 0, until_us, latest_us FROM pace_1;
INSERT INTO pace (sandbox, until_us, latest_us) VALUES (1, 0, 0);
DROP TABLE pace_1;
