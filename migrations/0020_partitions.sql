-- Up Migration

-- The table that there is becomes the first partition, as it is: nothing of it is read or copied.
LOCK TABLE feed.events IN ACCESS EXCLUSIVE MODE;

-- Lists as of a moment are told from the tables and from what changed since: see sql/read/list_past.sql.
DROP INDEX feed.events_by_created_at;

DROP TRIGGER IF EXISTS events_append_only ON feed.events; -- the new table's own one comes to all its partitions
ALTER TABLE feed.events RENAME TO events_1;
ALTER INDEX feed.events_pkey RENAME TO events_1_pkey;
ALTER INDEX feed.events_staged_id_key RENAME TO events_1_staged_id_key;
ALTER INDEX feed.events_by_subject RENAME TO events_1_by_subject;
ALTER INDEX feed.events_by_type RENAME TO events_1_by_type;
ALTER INDEX feed.events_by_currency RENAME TO events_1_by_currency;
ALTER INDEX feed.events_deleted_by_position RENAME TO events_1_deleted_by_position;
ALTER INDEX feed.events_deleted_by_subject RENAME TO events_1_deleted_by_subject;
ALTER INDEX feed.events_deleted_by_created_at RENAME TO events_1_deleted_by_created_at;

CREATE TABLE feed.events (LIKE feed.events_1 INCLUDING COMMENTS INCLUDING CONSTRAINTS) PARTITION BY RANGE ("position");
ALTER TABLE feed.events DROP CONSTRAINT events_bound;
ALTER TABLE feed.events ADD CONSTRAINT events_pkey PRIMARY KEY ("position");
CREATE INDEX events_by_subject ON feed.events (subject, "position");
CREATE INDEX events_by_type ON feed.events (topic, type, "position");
CREATE INDEX events_by_currency ON feed.events ((data ->> 'currency'), "position")
WHERE topic = 'currencies' AND type = 'currency_created';
CREATE INDEX events_deleted_by_position ON feed.events (topic, "position") INCLUDE (subject)
WHERE type LIKE '%\_deleted';
CREATE INDEX events_deleted_by_subject ON feed.events (topic, subject COLLATE "C", "position")
WHERE type LIKE '%\_deleted';
CREATE INDEX events_deleted_by_created_at ON feed.events (topic, left(data ->> 'created_at', 27) COLLATE "C", subject COLLATE "C", "position")
WHERE type LIKE '%\_deleted';
COMMENT ON TABLE feed.events IS
  'The log: every committed change, numbered 1, 2, 3, … without a gap. Only feed.sequence_changes() and feed.new_log() append '
  'to it. In partitions by position, of log.partition_size positions each; more from the twelfth on, so that there are '
  'never many. A staged row can be numbered once only: each partition has its own events_…_staged_id_key, and staged ids '
  'are numbered once by the condition of feed.sequence_changes() and the primary key.';
COMMENT ON TABLE feed.events_1 IS 'The first partition of the log.';

DO $$
DECLARE
  bound CONSTANT text := (
    SELECT substring(pg_get_constraintdef(c.oid) FROM '< ''?([0-9]+)')
    FROM pg_constraint AS c
    WHERE c.conrelid = 'feed.events_1'::regclass AND c.conname = 'events_bound');
  held record;
BEGIN
  EXECUTE format('ALTER TABLE feed.events ATTACH PARTITION feed.events_1 FOR VALUES FROM (1) TO (%s)', bound);
  -- The readers that there are go on reading; sql/ grants the same when it is applied next.
  FOR held IN
    SELECT g.grantee::regrole AS role, g.privilege_type AS privilege
    FROM pg_class AS c
    CROSS JOIN aclexplode(c.relacl) AS g
    WHERE c.oid = 'feed.events_1'::regclass AND g.grantee NOT IN (0, c.relowner)
  LOOP
    EXECUTE format('GRANT %s ON feed.events TO %s', held.privilege, held.role);
  END LOOP;
END
$$;
ALTER TABLE feed.events_1 DROP CONSTRAINT events_bound;

-- Where the log begins. What EVENT_RETENTION takes away is below.
ALTER TABLE feed.log ADD COLUMN floor bigint NOT NULL DEFAULT 0;
UPDATE feed.log
SET floor = coalesce(
  (SELECT e."position" - 1 FROM feed.events AS e ORDER BY e."position" LIMIT 1),
  (SELECT b.last_position FROM feed.event_batches AS b ORDER BY b.id DESC LIMIT 1));
ALTER TABLE feed.log ADD CONSTRAINT log_floor_natural CHECK (floor >= 0);
COMMENT ON COLUMN feed.log.floor IS
  'Positions up to this one are no longer kept. It moves first, then their partitions go; it never moves back.';
