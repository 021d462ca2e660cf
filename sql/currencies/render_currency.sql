-- A currency as everybody outside sees it; see render_task.sql. The rate is a string: a JSON number is a float to most
-- who read it.
-- Called by: feed.capture(), feed.capture_truncate(), feed.snapshot_page(), feed.unwatch(), feed.verify(),
-- feed.watch(), public.apply_batch(), src/queries/entities.ts, src/queries/runs.ts, src/queries/tasks.ts.
CREATE OR REPLACE FUNCTION feed.render(currency public.currencies) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT json_build_object(
    'id', currency.id,
    'currency', currency.currency,
    'name', currency.name,
    'nominal', currency.nominal,
    'rate', currency.rate::text,
    'rate_date', to_char(currency.rate_date, 'YYYY-MM-DD'),
    'source', currency.source,
    'timestamp', feed.rfc3339(currency."timestamp"),
    'version', currency.version)
$$;
COMMENT ON FUNCTION feed.render(public.currencies) IS 'A currency as the log and the API show it.';
