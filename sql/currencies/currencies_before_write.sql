-- Makes what the database alone decides about a currency: id, trimmed name, the moment of its rate, version, and what the
-- writer of a new one left out. The BEFORE ROW trigger of currencies. A change that changes nothing keeps its version. A rate has one spelling: equal ones
-- must read the same, or a row would seem to change that does not.
-- A writer who knows when the rate changed says so in `timestamp`; otherwise it is now.
-- Called by: sql/currencies/triggers.sql.
CREATE OR REPLACE FUNCTION public.currencies_before_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  NEW.name := feed.trimmed(NEW.name);
  NEW.rate := trim_scale(NEW.rate);

  IF TG_OP = 'INSERT' THEN
    NEW.name := coalesce(NEW.name, NEW.currency);
    NEW.nominal := coalesce(NEW.nominal, 1);
    NEW.rate_date := coalesce(NEW.rate_date, (now() AT TIME ZONE 'UTC')::date);
    NEW.version := CASE WHEN NEW.id IS NULL THEN 1 ELSE feed.next_version('currencies', NEW.id::text) END;
    NEW.id := coalesce(NEW.id, feed.uuid_v7());
    NEW."timestamp" := coalesce(NEW."timestamp", clock_timestamp());
    RETURN NEW;
  END IF;

  IF NEW.id <> OLD.id OR NEW.currency <> OLD.currency THEN
    RAISE EXCEPTION 'id and code of a currency never change'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'currencies_identity_fixed', TABLE = 'currencies', SCHEMA = 'public';
  END IF;
  NEW.version := OLD.version;
  IF NEW.rate <> OLD.rate AND NEW."timestamp" = OLD."timestamp" THEN
    NEW."timestamp" := clock_timestamp();
  END IF;
  IF NEW IS DISTINCT FROM OLD THEN
    NEW.version := OLD.version + 1;
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION public.currencies_before_write() IS 'BEFORE ROW trigger of currencies: id, name, timestamp and version.';
