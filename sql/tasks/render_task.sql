-- A task as everybody outside sees it. Called by capture, for the log, and by the API's queries: a row is rendered
-- here or nowhere, so that the log, REST and the sockets cannot differ.
-- Put together by hand: json_build_object() writes spaces, which would be a tenth of the log and of each frame; row_to_json()
-- of a subquery writes none, but is not inlined then, and takes half as long again. What is not JSON the cast refuses.
-- Called by: feed.capture(), feed.capture_truncate(), feed.snapshot_page(), feed.unwatch(), feed.verify(),
-- feed.watch(), public.apply_batch(), src/queries/entities.ts, src/queries/runs.ts, src/queries/tasks.ts.
CREATE OR REPLACE FUNCTION feed.render(task public.tasks) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT concat(
    '{"id":', coalesce(to_json(task.id), 'null'),
    ',"title":', coalesce(to_json(task.title), 'null'),
    ',"description":', coalesce(to_json(task.description), 'null'),
    ',"status":', coalesce(to_json(task.status), 'null'),
    ',"priority":', coalesce(to_json(task.priority), 'null'),
    ',"due_at":', coalesce(to_json(feed.rfc3339(task.due_at)), 'null'),
    ',"labels":', coalesce(to_json(task.labels), 'null'),
    ',"source":', coalesce(to_json(task.source), 'null'),
    ',"external_id":', coalesce(to_json(task.external_id), 'null'),
    ',"created_at":', coalesce(to_json(feed.rfc3339(task.created_at)), 'null'),
    ',"updated_at":', coalesce(to_json(feed.rfc3339(task.updated_at)), 'null'),
    ',"completed_at":', coalesce(to_json(feed.rfc3339(task.completed_at)), 'null'),
    ',"version":', coalesce(to_json(task.version), 'null'),
    '}')::json
$$;
COMMENT ON FUNCTION feed.render(public.tasks) IS 'A task as the log and the API show it.';
