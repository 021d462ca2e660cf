-- A row of any table as everybody outside sees it, where there is no feed.render() of its own: PostgreSQL prefers the one
-- of the row's very type. Called by capture for the tables that people watch, and by whatever else renders rows.
-- It asks the catalogue at each row, and so follows ALTER TABLE by itself. A virtual generated column is left out: a
-- trigger does not see its value. What stands in a json column stays as it is, but for escapes that PostgreSQL takes and
-- cannot read: see feed.readable_json().
-- The settings make a value read the same in every session. SQL that another role defined is not run: see
-- feed.foreign_cast().
-- Called by: feed.capture(), feed.capture_truncate(), feed.snapshot_page(), feed.unwatch(), feed.verify(),
-- feed.watch(), public.apply_batch(), src/queries/entities.ts, src/queries/runs.ts, src/queries/tasks.ts.
CREATE OR REPLACE FUNCTION feed.render(entity anyelement) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'iso_8601'
SET bytea_output = 'hex'
SET extra_float_digits = 1
SET lc_monetary = 'C'
SET quote_all_identifiers = off
SET xmlbinary = 'base64'
AS $$
DECLARE
  of_type CONSTANT oid := pg_typeof(entity);
  alien CONSTANT regtype := feed.foreign_cast(of_type);
BEGIN
  IF alien IS NOT NULL THEN
    RAISE insufficient_privilege USING
      MESSAGE = format('a row of %s cannot be told: the cast of %s to json is another role''s', of_type::regtype, alien);
  END IF;
  RETURN feed.render_value(feed.readable_json(row_to_json(entity)), of_type);
END
$$;
COMMENT ON FUNCTION feed.render(anyelement) IS 'A row of any table as the log shows it.';
