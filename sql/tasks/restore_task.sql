-- Brings a deleted task back under its id, in its last state; the version goes on. No row if the log
-- knows of no such task; unique_violation on tasks_pkey if the task is there,
-- row_not_taken if a BEFORE trigger of the operator's returned NULL; restore_below_floor if it was deleted longer ago than
-- the log keeps.
-- The row of last_versions is locked first: a writer that deletes this task, or inserts it again, needs that row as well. So
-- what is read after it, by a statement and so a snapshot of its own, is the last there was, and stays so. Reading first
-- could bring back a state that another writer has meanwhile restored, changed and deleted again.
-- Called by: src/queries/tasks.ts.
CREATE OR REPLACE FUNCTION public.restore_task(wanted uuid) RETURNS SETOF public.tasks
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  state json;
BEGIN
  PERFORM FROM feed.last_versions AS v WHERE v.topic = 'tasks' AND v.subject = wanted::text FOR UPDATE;
  IF EXISTS (SELECT FROM public.tasks AS t WHERE t.id = wanted) THEN
    RAISE EXCEPTION 'task % exists', wanted
      USING ERRCODE = 'unique_violation', CONSTRAINT = 'tasks_pkey', TABLE = 'tasks', SCHEMA = 'public';
  END IF;

  SELECT s.data INTO state
  FROM feed.unnumbered('tasks') AS u
  JOIN feed.staged AS s ON s.xid = u.xid AND s.id = u.id
  WHERE u.subject = wanted::text
  ORDER BY u.id DESC
  LIMIT 1;
  IF NOT FOUND THEN
    SELECT e.data INTO state
    FROM feed.events AS e
    WHERE e.subject = wanted::text AND e.topic = 'tasks' AND e."position" > (SELECT log.floor FROM feed.log)
    ORDER BY e."position" DESC
    LIMIT 1;
  END IF;
  IF NOT FOUND THEN
    IF EXISTS (SELECT FROM feed.last_versions AS v WHERE v.topic = 'tasks' AND v.subject = wanted::text AND v.version > 0) THEN
      RAISE EXCEPTION 'task % was deleted longer ago than the log keeps', wanted
        USING ERRCODE = 'check_violation', CONSTRAINT = 'restore_below_floor', TABLE = 'tasks', SCHEMA = 'public';
    END IF;
    RETURN;
  END IF;

  RETURN QUERY
  INSERT INTO public.tasks (
    id, title, description, status, priority, due_at, labels, source, external_id, created_at, completed_at)
  SELECT
    s.id, s.title, s.description, s.status, s.priority, s.due_at, s.labels, s.source, s.external_id, s.created_at,
    s.completed_at
  FROM json_populate_record(NULL::public.tasks, state) AS s
  RETURNING *;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'a trigger of the table did not take the row'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'row_not_taken', TABLE = 'tasks', SCHEMA = 'public';
  END IF;
END
$$;
COMMENT ON FUNCTION public.restore_task(uuid) IS 'Inserts a deleted task again as it last was; no row if there never was one.';
