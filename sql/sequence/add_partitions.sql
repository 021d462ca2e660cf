-- Partitions of the log, made until there is room up to and with a position; says how many it made. Called ahead of need by the
-- leader, and before numbering where none is left. Each belongs to the owner of the log. No session that reads or writes the log waits for it: a table of its own is
-- made and then attached, for which SHARE UPDATE EXCLUSIVE is enough (PostgreSQL's manual, ALTER TABLE, ATTACH PARTITION);
-- `CREATE TABLE … PARTITION OF` would wait for each open transaction, and all others behind it.
-- From the twelfth partition on each is twice as wide as the one before: a log that is kept for ever, too, has few, for
-- a statement that reads it locks them all.
-- A guard against TRUNCATE is not handed down to a partition, and is put on each.
-- Called by: feed.make_room(), feed.new_log().
CREATE OR REPLACE FUNCTION feed.add_partitions(through bigint) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  known record;
  made integer := 0;
  name text;
  bound bigint;
  owner CONSTANT regrole := (SELECT c.relowner FROM pg_class AS c WHERE c.oid = 'feed.events'::regclass);
BEGIN
  LOCK TABLE ONLY feed.events IN SHARE UPDATE EXCLUSIVE MODE; -- one caller at a time
  LOOP
    SELECT max(p.last) AS last, count(*) AS number, (SELECT log.partition_size FROM feed.log) AS size
    INTO known
    FROM feed.partitions() AS p;
    EXIT WHEN known.last >= through;
    name := format('events_%s', known.last + 1);
    WHILE to_regclass(format('feed.%I', name)) IS NOT NULL LOOP -- an operator's, or one that was taken off
      name := name || '_';
    END LOOP;
    bound := known.last + 1 + known.size * (1::bigint << greatest(known.number - 10, 0)::integer);
    EXECUTE format(
      'CREATE TABLE feed.%1$I (
        LIKE feed.events INCLUDING ALL,
        CONSTRAINT %2$I UNIQUE (staged_id),
        CONSTRAINT events_bound CHECK ("position" IS NOT NULL AND "position" >= %3$L::bigint AND "position" < %4$L::bigint)
      )',
      name, name || '_staged_id_key', known.last + 1, bound);
    EXECUTE format('ALTER TABLE feed.events ATTACH PARTITION feed.%I FOR VALUES FROM (%s) TO (%s)', name, known.last + 1, bound);
    EXECUTE format('ALTER TABLE feed.%I DROP CONSTRAINT events_bound', name);
    PERFORM feed.ensure_trigger(
      format('feed.%I', name)::regclass, 'events_append_only_truncate', 'BEFORE TRUNCATE', 'STATEMENT',
      'feed.refuse(''events_append_only'')');
    IF owner <> current_user::regrole THEN -- the operator who calls feed.new_log() may be another role
      EXECUTE format('ALTER TABLE feed.%I OWNER TO %s', name, owner);
    END IF;
    made := made + 1;
  END LOOP;
  RETURN made;
END
$$;
COMMENT ON FUNCTION feed.add_partitions(bigint) IS 'Makes partitions of the log up to a position; says how many.';
