-- A currency as everybody outside sees it; see render_task.sql. The rate is a string: a JSON number is a float to most
-- who read it.
-- Called by: feed.capture(), feed.capture_truncate(), feed.snapshot_page(), feed.unwatch(), feed.verify(),
-- feed.watch(), public.apply_batch(), src/queries/entities.ts, src/queries/runs.ts, src/queries/tasks.ts.
CREATE OR REPLACE FUNCTION feed.render(currency public.currencies) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT concat(
    '{"id":', coalesce(to_json(currency.id), 'null'),
    ',"currency":', coalesce(to_json(currency.currency), 'null'),
    ',"name":', coalesce(to_json(currency.name), 'null'),
    ',"nominal":', coalesce(to_json(currency.nominal), 'null'),
    ',"rate":', coalesce(to_json(currency.rate::text), 'null'),
    ',"rate_date":', coalesce(to_json(to_char(currency.rate_date, 'YYYY-MM-DD')), 'null'),
    ',"source":', coalesce(to_json(currency.source), 'null'),
    ',"timestamp":', coalesce(to_json(feed.rfc3339(currency."timestamp")), 'null'),
    ',"version":', coalesce(to_json(currency.version), 'null'),
    '}')::json
$$;
COMMENT ON FUNCTION feed.render(public.currencies) IS 'A currency as the log and the API show it.';
