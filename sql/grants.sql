-- Who may do what. taskwire_app is the role the service works under: it may write the resources, read the log and work on jobs, and
-- cannot touch the log's tables; only the functions of feed.wanted_rights() change them, with their owner's rights.
-- taskwire_reader is people's read-only role. Where the server lets the migrating role make none, the service works as the
-- owner, and the triggers of sql/sequence/triggers.sql protect the log alone. Roles belong to the whole server, so two
-- instances of it may make them at once.
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['taskwire_app', 'taskwire_reader'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
      EXCEPTION
        WHEN insufficient_privilege THEN
          RAISE NOTICE 'role % was not made: % may not create roles', wanted, current_user;
        WHEN duplicate_object OR unique_violation THEN
          NULL; -- another instance was faster
      END;
    END IF;
  END LOOP;
END
$$;

REVOKE ALL ON SCHEMA feed FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA feed FROM PUBLIC;
DO $$
DECLARE
  closed regprocedure;
BEGIN
  FOR closed IN SELECT f FROM feed.closed_functions() AS f WHERE has_function_privilege(0::oid, f, 'EXECUTE') LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', closed);
  END LOOP;
END
$$;

-- A role that the owner may neither take nor make takeable belongs to another database, and is given nothing. Readers need not be
-- taken by the owner.
DO $$
DECLARE
  wanted record;
  closed regclass;
BEGIN
  IF to_regrole('taskwire_app') IS NOT NULL AND NOT pg_has_role(current_user, 'taskwire_app', 'SET') THEN
    BEGIN
      EXECUTE format('GRANT taskwire_app TO %I', current_user);
    EXCEPTION
      WHEN insufficient_privilege THEN
        RAISE NOTICE 'role taskwire_app is not used: % may not grant to it', current_user;
    END;
  END IF;
  FOR wanted IN
    SELECT w.*
    FROM feed.wanted_rights() AS w
    JOIN pg_roles AS r ON r.rolname = w.role
    WHERE (w.role <> 'taskwire_app' OR pg_has_role(current_user, r.oid, 'SET'))
      -- Of two services that start at once in a database only one could write its row.
      AND (w.kind <> 'DATABASE' OR NOT has_database_privilege(r.oid, current_database(), w.privileges[1]))
  LOOP
    EXECUTE format(
      'GRANT %s ON %s %s TO %I', array_to_string(wanted.privileges, ', '), wanted.kind, wanted.object, wanted.role);
  END LOOP;
  FOR closed IN
    SELECT c FROM feed.closed_queue() AS c JOIN pg_roles AS r ON r.rolname = 'taskwire_app' AND pg_has_role(current_user, r.oid, 'SET')
  LOOP
    EXECUTE format('CREATE POLICY taskwire_app ON %s TO taskwire_app USING (true) WITH CHECK (true)', closed);
  END LOOP;
EXCEPTION
  WHEN insufficient_privilege THEN
    RAISE NOTICE 'the service''s roles are granted nothing: %', SQLERRM; -- feed.drift() says what they lack
END
$$;
