-- A run as everybody outside sees it. Called by capture, for the log, and by the API's queries.
-- Called by: feed.capture(), feed.capture_truncate(), feed.snapshot_page(), feed.unwatch(), feed.verify(),
-- feed.watch(), public.apply_batch(), src/queries/entities.ts, src/queries/runs.ts, src/queries/tasks.ts.
CREATE OR REPLACE FUNCTION feed.render(run public.runs) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT json_build_object(
    'id', run.id,
    'kind', run.kind,
    'status', run.status,
    'attempt', run.attempt,
    'fetched', run.fetched,
    'created', run.created,
    'updated', run.updated,
    'unchanged', run.unchanged,
    'rejected', run.rejected,
    'rejections', run.rejections,
    'error', run.error,
    'queued_at', feed.rfc3339(run.queued_at),
    'started_at', feed.rfc3339(run.started_at),
    'finished_at', feed.rfc3339(run.finished_at))
$$;
COMMENT ON FUNCTION feed.render(public.runs) IS 'A run as the log and the API show it.';
