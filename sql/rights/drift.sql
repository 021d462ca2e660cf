-- How rights and triggers differ from what sql/ makes of them; one row for each difference, none if all is well. A restored
-- dump, a role made later and a DBA's ALTER TABLE change them and leave sql/ as it was, so they are looked at, not
-- remembered. Called at each start, which applies sql/ again if there is a row that it can `mend`, by readiness, which
-- warns, and by feed.verify(). Reads the catalogue alone and locks nothing.
-- A role that does not exist lacks nothing; nor does an application's role that the log's owner may not take: the service
-- works as the owner then, and grants nothing to what may be the role of another database of the server.
-- A trigger of an operator's table that he switched off stays as he left it, and so does one of a table that is not ours to
-- alter.
-- Called by: feed.verify(), src/postgres/migrate.ts, src/queries/log.ts.
CREATE OR REPLACE FUNCTION feed.drift() RETURNS TABLE (topic text, fault text, mend boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  WITH owner AS MATERIALIZED (
    SELECT p.proowner AS oid FROM pg_proc AS p WHERE p.oid = 'feed.capture()'::regprocedure
  ), missing AS (
    SELECT w.role, privilege, w.kind, w.object
    FROM feed.wanted_rights() AS w
    JOIN pg_roles AS r ON r.rolname = w.role
    CROSS JOIN owner
    CROSS JOIN unnest(w.privileges) AS privilege
    WHERE (w.role <> 'taskwire_app' OR pg_has_role(owner.oid, r.oid, 'SET'))
      AND CASE w.kind
        WHEN 'SCHEMA' THEN has_schema_privilege(r.oid, to_regnamespace(w.object), privilege)
        WHEN 'TABLE' THEN has_table_privilege(r.oid, to_regclass(w.object), privilege)
        WHEN 'DATABASE' THEN has_database_privilege(r.oid, current_database(), privilege)
        WHEN 'FUNCTION' THEN has_function_privilege(r.oid, to_regprocedure(w.object), privilege)
      END IS NOT TRUE
  ), wanted_triggers (relation, topic, is_ours, name) AS (
    SELECT to_regclass(own.relation), NULL, true, own.name
    FROM (VALUES
      ('public.tasks', 'tasks_before_write'),
      ('public.currencies', 'currencies_before_write'), ('public.currencies', 'currencies_keep_rate'),
      ('public.tokens', 'tokens_before_update'), ('public.tokens', 'tokens_ring'),
      ('public.runs', 'runs_before_write'), ('public.runs', 'runs_kept'), ('public.runs', 'runs_kept_truncate'),
      ('feed.events', 'events_append_only'), ('feed.events', 'events_append_only_truncate'),
      ('feed.log', 'log_floor_rises'), ('feed.event_batches', 'event_batches_append_only'), ('feed.event_batches', 'event_batches_append_only_truncate'),
      ('feed.staged', 'staged_never_changes'), ('feed.staged', 'staged_never_truncated'),
      ('feed.epochs', 'epochs_never_change'), ('feed.epochs', 'epochs_never_truncated')
    ) AS own (relation, name)
    UNION ALL
    SELECT p.relation, NULL, true, 'events_append_only_truncate' FROM feed.partitions() AS p
    UNION ALL
    SELECT t.tgrelid, NULL, true, t.tgname -- the log's own, handed down; where that is amiss it is named once
    FROM pg_trigger AS log
    JOIN pg_trigger AS t ON t.tgparentid = log.oid
    WHERE log.tgrelid = 'feed.events'::regclass AND log.tgname = 'events_append_only' AND log.tgenabled = 'A'
    UNION ALL
    SELECT w.relation, w.topic, w.topic IN ('tasks', 'currencies', 'runs'), capture.name
    FROM feed.topics AS w
    CROSS JOIN unnest(ARRAY['00_feed_capture', '00_feed_capture_truncate']) AS capture (name)
  )
  SELECT NULL, format('PUBLIC may execute %s', closed), true
  FROM feed.closed_functions() AS closed
  WHERE has_function_privilege(0::oid, closed, 'EXECUTE') -- 0 is PUBLIC
  UNION ALL
  SELECT NULL, format('the role %I lacks %s on the %s %s', role, string_agg(privilege, ', '), lower(kind), object), true
  FROM missing
  GROUP BY role, kind, object
  UNION ALL
  SELECT NULL, format('row security keeps the table %s from the role %I', closed, r.rolname), true
  FROM feed.closed_queue() AS closed
  JOIN pg_roles AS r ON r.rolname = 'taskwire_app'
  CROSS JOIN owner
  WHERE pg_has_role(owner.oid, r.oid, 'SET')
  UNION ALL
  SELECT w.topic, format('the trigger %I of %s does not fire always', w.name, c.oid::regclass) ||
      CASE WHEN here.mend THEN '' ELSE ': watch the table again' END,
    here.mend
  FROM wanted_triggers AS w
  CROSS JOIN owner
  JOIN pg_class AS c ON c.oid = w.relation
  LEFT JOIN pg_trigger AS t ON t.tgrelid = c.oid AND t.tgname = w.name
  CROSS JOIN LATERAL (
    SELECT w.is_ours OR coalesce(t.tgenabled IN ('O', 'R') AND pg_has_role(owner.oid, c.relowner, 'USAGE'), false)
  ) AS here (mend)
  WHERE t.tgenabled IS DISTINCT FROM 'A'
$$;
COMMENT ON FUNCTION feed.drift() IS 'How rights and triggers differ from what sql/ makes of them.';
