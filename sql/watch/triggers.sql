-- The triggers of the tables that operators watch: back to firing always where ENABLE TRIGGER, which is what a restore with
-- --disable-triggers ends with, has made them fire for ordinary sessions alone. One that was switched off stays off, and a
-- table that is not ours to alter stays as it is; feed.verify() names both.
DO $$
DECLARE
  changed record;
BEGIN
  FOR changed IN
    SELECT t.tgname, c.oid::regclass AS relation
    FROM feed.topics AS w
    JOIN pg_class AS c ON c.oid = w.relation
    JOIN pg_trigger AS t ON t.tgrelid = c.oid
    WHERE t.tgname IN ('00_feed_capture', '00_feed_capture_truncate') AND t.tgenabled IN ('O', 'R')
      AND pg_has_role(c.relowner, 'USAGE')
  LOOP
    BEGIN
      EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', changed.relation, changed.tgname);
    EXCEPTION
      -- No start of the service waits for an operator's own table.
      WHEN lock_not_available THEN
        RAISE NOTICE 'the trigger % of % does not fire always yet: the table is locked', changed.tgname, changed.relation;
    END;
  END LOOP;
END
$$;
