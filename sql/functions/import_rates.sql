-- Brings one day's file of a bank into the tables: all of it, or, if one entry breaks a rule, none. Called by the rates
-- job and by the backfill, in a session that has set taskwire.origin. `entries` is a list of objects with currency, name,
-- nominal and value, the price of `nominal` units as a decimal text; no currency stands twice.
-- A day before that of the currency is kept in currency_rates and changes nothing else; what is as it was is not written.
-- Of a currency that is not there only the day is kept unless `may_create`: a file of long ago names many that are no more.
-- In the order of the codes, and a currency before its day, as whoever writes one currency does: so they wait for each
-- other instead of locking each other out.
CREATE OR REPLACE FUNCTION public.import_rates(
  from_source text, of_date date, entries jsonb, may_create boolean,
  OUT created integer, OUT updated integer, OUT unchanged integer, OUT kept integer)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  SELECT count(*) INTO kept
  FROM public.quoted_rates(entries) AS said
  LEFT JOIN public.currency_rates AS known ON known.currency = said.currency AND known.rate_date = of_date
  WHERE (known.rate, known.nominal) IS DISTINCT FROM (said.rate, said.nominal);

  WITH written AS (
    INSERT INTO public.currencies AS c (currency, name, nominal, rate, rate_date, source)
    SELECT said.currency, said.name, said.nominal, said.rate, of_date, from_source
    FROM public.quoted_rates(entries) AS said
    WHERE may_create OR EXISTS (SELECT FROM public.currencies AS known WHERE known.currency = said.currency)
    ORDER BY said.currency
    ON CONFLICT ON CONSTRAINT currencies_currency_key DO UPDATE
    SET name = excluded.name, nominal = excluded.nominal, rate = excluded.rate, rate_date = excluded.rate_date,
        source = excluded.source
    WHERE c.rate_date <= excluded.rate_date
      AND (c.name, c.nominal, c.rate, c.rate_date, c.source)
        IS DISTINCT FROM (excluded.name, excluded.nominal, excluded.rate, excluded.rate_date, excluded.source)
    RETURNING c.version
  )
  -- A new row has a new id, and so version 1.
  SELECT count(*) FILTER (WHERE w.version = 1), count(*) FILTER (WHERE w.version > 1) INTO created, updated
  FROM written AS w;
  unchanged := jsonb_array_length(entries) - created - updated;

  INSERT INTO public.currency_rates AS known (currency, rate_date, rate, nominal)
  SELECT said.currency, of_date, said.rate, said.nominal
  FROM public.quoted_rates(entries) AS said
  -- What `currencies` says of the day is kept by its trigger.
  WHERE NOT EXISTS (
    SELECT FROM public.currencies AS c WHERE c.currency = said.currency AND c.rate_date = of_date)
  ORDER BY said.currency
  ON CONFLICT ON CONSTRAINT currency_rates_pkey DO UPDATE
  SET rate = excluded.rate, nominal = excluded.nominal
  WHERE (known.rate, known.nominal) IS DISTINCT FROM (excluded.rate, excluded.nominal);
END
$$;
COMMENT ON FUNCTION public.import_rates(text, date, jsonb, boolean) IS
  'Writes one day''s rates of a bank, all or none; how many currencies it created, updated and left, and how many rates '
  'are new or other on their day.';
