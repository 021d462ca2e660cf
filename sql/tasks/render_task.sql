-- A task as everybody outside sees it. Called by capture, for the log, and by the API's queries: a row is rendered
-- here or nowhere, so that the log, REST and the sockets cannot differ.
-- Called by: feed.capture(), feed.capture_truncate(), feed.snapshot_page(), feed.unwatch(), feed.verify(),
-- feed.watch(), public.apply_batch(), src/queries/entities.ts, src/queries/runs.ts, src/queries/tasks.ts.
CREATE OR REPLACE FUNCTION feed.render(task public.tasks) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT json_build_object(
    'id', task.id,
    'title', task.title,
    'description', task.description,
    'status', task.status,
    'priority', task.priority,
    'due_at', feed.rfc3339(task.due_at),
    'labels', task.labels,
    'source', task.source,
    'external_id', task.external_id,
    'created_at', feed.rfc3339(task.created_at),
    'updated_at', feed.rfc3339(task.updated_at),
    'completed_at', feed.rfc3339(task.completed_at),
    'version', task.version)
$$;
COMMENT ON FUNCTION feed.render(public.tasks) IS 'A task as the log and the API show it.';
