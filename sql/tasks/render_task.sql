-- A task as everybody outside sees it. Called by capture, for the log, and by the API's queries: a row is rendered
-- here or nowhere, so that the log, REST and the sockets cannot differ.
-- A row of a type whose times are texts, written by row_to_json(): without white space, and two thirds of what it costs to put
-- the JSON together by hand. A field that is added is added to the type by a migration that makes it anew under another name.
-- Called by: feed.capture(), feed.capture_truncate(), feed.snapshot_page(), feed.unwatch(), feed.verify(),
-- feed.watch(), public.apply_batch(), src/queries/entities.ts, src/queries/runs.ts, src/queries/tasks.ts.
CREATE OR REPLACE FUNCTION feed.render(task public.tasks) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT row_to_json(ROW(
    task.id,
    task.title,
    task.description,
    task.status,
    task.priority,
    feed.rfc3339(task.due_at),
    task.labels,
    task.source,
    task.external_id,
    feed.rfc3339(task.created_at),
    feed.rfc3339(task.updated_at),
    feed.rfc3339(task.completed_at),
    task.version)::feed.task)
$$;
COMMENT ON FUNCTION feed.render(public.tasks) IS 'A task as the log and the API show it.';
