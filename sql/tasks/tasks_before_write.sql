-- Makes what the database alone decides about a task: id, trimmed title, times and version. The BEFORE ROW trigger
-- of tasks, so that psql, REST and the generator cannot differ. A change that changes nothing keeps its version.
-- Nothing is created in the future: the list as of a moment is read from that moment downwards.
-- Called by: sql/tasks/triggers.sql.
CREATE OR REPLACE FUNCTION public.tasks_before_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  moment CONSTANT timestamptz := clock_timestamp();
BEGIN
  NEW.title := feed.trimmed(NEW.title);

  IF TG_OP = 'INSERT' THEN
    NEW.version := CASE WHEN NEW.id IS NULL THEN 1 ELSE feed.next_version('tasks', NEW.id::text) END;
    NEW.id := coalesce(NEW.id, feed.uuid_v7());
    NEW.created_at := coalesce(NEW.created_at, moment);
    IF NEW.created_at > moment THEN
      RAISE EXCEPTION 'created_at of a task is not in the future'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'tasks_created_at_past', TABLE = 'tasks', SCHEMA = 'public';
    END IF;
    NEW.updated_at := moment;
    NEW.completed_at := CASE WHEN NEW.status = 'done' THEN coalesce(NEW.completed_at, moment) END;
    RETURN NEW;
  END IF;

  IF NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at THEN
    RAISE EXCEPTION 'id and created_at of a task never change'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'tasks_identity_fixed', TABLE = 'tasks', SCHEMA = 'public';
  END IF;
  NEW.version := OLD.version;
  NEW.updated_at := OLD.updated_at;
  NEW.completed_at := CASE WHEN NEW.status = 'done' THEN coalesce(OLD.completed_at, moment) END;
  IF NEW IS DISTINCT FROM OLD THEN
    NEW.version := OLD.version + 1;
    NEW.updated_at := moment;
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION public.tasks_before_write() IS 'BEFORE ROW trigger of tasks: id, title, times and version.';
