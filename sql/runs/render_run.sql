-- A run as everybody outside sees it; see render_task.sql. Called by capture, for the log, and by the API's queries.
-- Called by: feed.capture(), feed.capture_truncate(), feed.snapshot_page(), feed.unwatch(), feed.verify(),
-- feed.watch(), public.apply_batch(), src/queries/entities.ts, src/queries/runs.ts, src/queries/tasks.ts.
CREATE OR REPLACE FUNCTION feed.render(run public.runs) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT concat(
    '{"id":', coalesce(to_json(run.id), 'null'),
    ',"kind":', coalesce(to_json(run.kind), 'null'),
    ',"status":', coalesce(to_json(run.status), 'null'),
    ',"attempt":', coalesce(to_json(run.attempt), 'null'),
    ',"fetched":', coalesce(to_json(run.fetched), 'null'),
    ',"created":', coalesce(to_json(run.created), 'null'),
    ',"updated":', coalesce(to_json(run.updated), 'null'),
    ',"unchanged":', coalesce(to_json(run.unchanged), 'null'),
    ',"rejected":', coalesce(to_json(run.rejected), 'null'),
    ',"rejections":', coalesce(feed.compact_json(run.rejections::json), 'null'),
    ',"error":', coalesce(to_json(run.error), 'null'),
    ',"queued_at":', coalesce(to_json(feed.rfc3339(run.queued_at)), 'null'),
    ',"started_at":', coalesce(to_json(feed.rfc3339(run.started_at)), 'null'),
    ',"finished_at":', coalesce(to_json(feed.rfc3339(run.finished_at)), 'null'),
    '}')::json
$$;
COMMENT ON FUNCTION feed.render(public.runs) IS 'A run as the log and the API show it.';
