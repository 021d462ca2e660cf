-- Tables that row security closes to a role of the service: the owner of the log, in whose name changes are captured and
-- snapshots read, or the role of the caller. A policy is only asked whether it is there, not what it lets through: with
-- none for a command PostgreSQL shows no row and takes none, and without this the service would answer empty lists and call
-- itself ready. A row per table and role, with the commands.
-- The tables are the service's own and the watched ones.
-- Called by: src/queries/log.ts.
CREATE OR REPLACE FUNCTION feed.closed_tables() RETURNS TABLE (relation text, role text, commands text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT c.oid::regclass::text, r.rolname::text, string_agg(wanted.command, ', ' ORDER BY wanted.place)
  FROM pg_class AS c
  JOIN pg_roles AS r
    ON r.rolname = current_user OR r.oid = (SELECT l.relowner FROM pg_class AS l WHERE l.oid = 'feed.log'::regclass)
  CROSS JOIN (VALUES (1, 'SELECT', 'r'), (2, 'INSERT', 'a'), (3, 'UPDATE', 'w'), (4, 'DELETE', 'd'))
    AS wanted (place, command, letter)
  WHERE c.relrowsecurity AND NOT r.rolsuper AND NOT r.rolbypassrls
    AND (c.relforcerowsecurity OR NOT pg_has_role(r.oid, c.relowner, 'USAGE'))
    AND (
      c.relnamespace = 'feed'::regnamespace
      OR c.oid IN (
        'public.tasks'::regclass, 'public.runs'::regclass, 'public.imports'::regclass, 'public.currencies'::regclass,
        'public.currency_rates'::regclass, 'public.rejected_messages'::regclass, 'public.idempotency_keys'::regclass)
      OR c.oid IN (SELECT t.relation FROM feed.topics AS t))
    AND has_table_privilege(r.oid, c.oid, wanted.command)
    AND NOT EXISTS (
      SELECT
      FROM pg_policy AS p
      WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd::text IN ('*', wanted.letter)
        AND EXISTS (SELECT FROM unnest(p.polroles) AS named (oid) WHERE named.oid = 0 OR pg_has_role(r.oid, named.oid, 'USAGE')))
  GROUP BY c.oid, r.rolname
  ORDER BY 1, 2
$$;
COMMENT ON FUNCTION feed.closed_tables() IS 'Tables that row security, for want of a policy, closes to a role of the service.';
