-- What the service's two roles may do, one row for each object: the one list of it. Called by grants.sql, which grants it,
-- and by feed.drift(), which looks whether it is so. `object` is written as GRANT takes it. A function that is missing here
-- answers the application's role with "permission denied". Of a partition of the log its table has the rights.
-- The application's role may do all that an instance does, numbering and jobs included, so that an instance can log in as a
-- member of it. What only takes away from the log is the owner's: retention.
-- Called by: feed.drift(), sql/grants.sql.
CREATE OR REPLACE FUNCTION feed.wanted_rights() RETURNS TABLE (role name, privileges text[], kind text, object text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT roles.role::name, ARRAY['USAGE'], 'SCHEMA', schemas.name
  FROM unnest(ARRAY['taskwire_app', 'taskwire_reader']) AS roles (role)
  CROSS JOIN unnest(ARRAY['public', 'feed']) AS schemas (name)
  UNION ALL
  SELECT roles.role::name, ARRAY['SELECT'], 'TABLE', c.oid::regclass::text
  FROM unnest(ARRAY['taskwire_app', 'taskwire_reader']) AS roles (role)
  CROSS JOIN pg_class AS c
  WHERE c.relnamespace = to_regnamespace('feed') AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition AND c.relname !~ '^events_[0-9]+_*$'
  UNION ALL
  SELECT tables.role, tables.privileges, 'TABLE', tables.name
  FROM (VALUES
    ('taskwire_app'::name, 'public.tasks', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
    ('taskwire_app', 'public.imports', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
    ('taskwire_app', 'public.currencies', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
    ('taskwire_app', 'public.idempotency_keys', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
    ('taskwire_app', 'public.runs', ARRAY['SELECT', 'INSERT', 'UPDATE']),
    ('taskwire_app', 'public.currency_rates', ARRAY['SELECT', 'INSERT', 'UPDATE']),
    ('taskwire_app', 'public.rejected_messages', ARRAY['SELECT', 'INSERT']),
    ('taskwire_app', 'public.tokens', ARRAY['SELECT']),
    ('taskwire_reader', 'public.tasks', ARRAY['SELECT']),
    ('taskwire_reader', 'public.runs', ARRAY['SELECT']),
    ('taskwire_reader', 'public.imports', ARRAY['SELECT']),
    ('taskwire_reader', 'public.currencies', ARRAY['SELECT']),
    ('taskwire_reader', 'public.currency_rates', ARRAY['SELECT']),
    ('taskwire_reader', 'public.rejected_messages', ARRAY['SELECT'])
  ) AS tables (role, name, privileges)
  UNION ALL
  SELECT 'taskwire_app', ARRAY['USAGE'], 'SCHEMA', 'graphile_worker'
  UNION ALL
  SELECT 'taskwire_app', CASE WHEN c.relrowsecurity THEN ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] ELSE ARRAY['SELECT'] END,
    'TABLE', c.oid::regclass::text
  FROM pg_class AS c
  WHERE c.relnamespace = to_regnamespace('graphile_worker') AND c.relkind IN ('r', 'v')
  UNION ALL
  SELECT roles.role::name, ARRAY['CONNECT'], 'DATABASE', quote_ident(d.datname) -- where it is the log's owner to give
  FROM unnest(ARRAY['taskwire_app', 'taskwire_reader']) AS roles (role)
  CROSS JOIN pg_database AS d
  JOIN pg_class AS log ON log.oid = to_regclass('feed.log')
  WHERE d.datname = current_database() AND pg_has_role(log.relowner, d.datdba, 'USAGE')
  UNION ALL
  SELECT 'taskwire_app', ARRAY['EXECUTE'], 'FUNCTION', functions.name
  FROM unnest(ARRAY[
    'feed.render(public.tasks)', 'feed.render(public.runs)', 'feed.render(public.currencies)', 'feed.rfc3339(timestamptz)',
    'feed.compact_json(json)', 'feed.service_name()', 'feed.lock_key(text)', 'feed.channel(text)', 'feed.verify()', 'feed.passed_over()',
    'feed.prove(bigint, bigint)', 'feed.clean_staged(xid8, bigint, integer)',
    'feed.take_up_log()', 'feed.sequence_staged(integer)', 'feed.make_room(boolean)', 'feed.is_working(integer)',
    'feed.end_stuck_leader(integer, bigint)',
    'feed.end_strangers(text)', 'feed.closed_tables()', 'feed.most_bytes()',
    'feed.wanted_rights()', 'feed.closed_functions()', 'feed.closed_queue()', 'feed.partitions()', 'feed.positions_of_types(text[], text[], bigint, bigint, integer)',
    'feed.last_of_entities(bigint[], text[], bigint)', 'feed.drift()', 'feed.key_of(regclass)',
    'feed.unnumbered(text)', 'feed.snapshot_page(text, bigint, text, integer, text[])',
    'feed.list_past(text, bigint, text, text, integer)', 'public.restore_task(uuid)',
    'public.queue_run(text)', 'public.queue_first_run(text)', 'public.sweep_runs()', 'public.hand_back_run(uuid, integer)',
    'public.import_task(text, text, jsonb)', 'public.import_rates(text, date, jsonb, boolean)',
    'public.convert_currency(numeric, text, text)', 'public.quotient(numeric, numeric)', 'public.quoted_rates(jsonb)',
    'public.claim_idempotency_key(text, bytea, text)', 'public.apply_batch(text, text[], jsonb)',
    'public.note_token_use(text[], float8[])'
  ]) AS functions (name)
  UNION ALL
  SELECT 'taskwire_reader', ARRAY['EXECUTE'], 'FUNCTION', functions.name
  FROM unnest(ARRAY[
    'feed.render(public.tasks)', 'feed.render(public.runs)', 'feed.render(public.currencies)', 'feed.rfc3339(timestamptz)',
    'feed.compact_json(json)', 'feed.verify()', 'feed.passed_over()', 'feed.prove(bigint, bigint)'
  ]) AS functions (name)
$$;
COMMENT ON FUNCTION feed.wanted_rights() IS 'What the roles of the service may do, one row for each object.';
