-- The tables of the job queue that row security closes to the application's role. graphile-worker puts it on its tables and makes
-- no policy, so that their owner alone can work on jobs; and it makes new tables as it goes on. An instance that logs in as
-- a member of the role would find no job, and no fault.
-- Called by: feed.drift(), sql/grants.sql.
CREATE OR REPLACE FUNCTION feed.closed_queue() RETURNS SETOF regclass
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT c.oid::regclass
  FROM pg_class AS c
  JOIN pg_roles AS r ON r.rolname = 'taskwire_app'
  WHERE c.relnamespace = to_regnamespace('graphile_worker') AND c.relkind = 'r' AND c.relrowsecurity
    AND NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polcmd = '*' AND p.polpermissive AND r.oid = ANY (p.polroles))
$$;
COMMENT ON FUNCTION feed.closed_queue() IS 'Tables of the job queue that row security closes to the application''s role.';
