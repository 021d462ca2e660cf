-- Turns TRUNCATE into one deletion per row. The BEFORE TRUNCATE trigger of every watched table, attached by
-- feed.watch() with the arguments of feed.capture(). It runs after TRUNCATE has locked the table, so under READ
-- COMMITTED it sees every row; above that its snapshot may be older than rows that TRUNCATE is about to take away
-- (PostgreSQL manual, section 13.6), and it refuses.
-- Called by: feed.watch().
CREATE OR REPLACE FUNCTION feed.capture_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET constraint_exclusion = off -- as in feed.snapshot_page(), also what is foreign
SET row_security = off -- what a policy would hide cannot be told, and its function would run with our rights: it raises
AS $$
DECLARE
  foreign_code CONSTANT regprocedure := feed.foreign_code(TG_RELID);
BEGIN
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'TRUNCATE of % needs READ COMMITTED: an older snapshot may not see every row it deletes', TG_RELID::regclass
      USING ERRCODE = 'feature_not_supported', HINT = 'Use DELETE, or truncate in a READ COMMITTED transaction.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = TG_RELID AND a.attname = TG_ARGV[2]) THEN
    PERFORM feed.stage(TG_ARGV[0], TG_ARGV[1] || '_deleted', NULL, NULL, NULL); -- which says what is wrong
  END IF;
  IF foreign_code IS NOT NULL THEN
    RAISE insufficient_privilege USING
      MESSAGE = format('%s is not read: its indexes or statistics use %s, which is of a foreign owner', TG_RELID::regclass, foreign_code);
  END IF;
  EXECUTE format(
    'SELECT count(feed.remember_version($1, r.row, $2)), count(feed.stage($1, $3, r.row ->> $2, r.row, NULL))
     FROM (SELECT feed.render("00 row") AS row FROM ONLY %s AS "00 row" ORDER BY "00 row".%I) AS r',
    TG_RELID::regclass, TG_ARGV[2])
  USING TG_ARGV[0], TG_ARGV[2], TG_ARGV[1] || '_deleted';
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION feed.capture_truncate() IS 'BEFORE TRUNCATE trigger of watched tables: one deletion per row.';
