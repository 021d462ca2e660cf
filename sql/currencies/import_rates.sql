-- Brings one day's file of a bank into the tables: all of it, or, if one entry breaks a rule, none. Called by the rates
-- job and by the backfill, in a session that has set taskwire.origin. `entries` is a list of objects with currency, name,
-- nominal and value, the price of `nominal` units as a decimal text; no currency stands twice.
-- A rate is news if the bank has said nothing yet of that day or a later one, or something else of that day; so is a name
-- if the bank gave another one on that day, and nothing of a later one. Only news changes a currency, and a name alone
-- changes nothing but the name: what a person or NATS has told since the bank did is newer than the same file, read once
-- more. The bank's word is kept in currency_rates for this. News of a rate of a day before that of the currency changes
-- nothing else, either.
-- Of a currency that is not there only the day is kept unless `may_create`: a file of long ago names many that are no more.
-- In the order of the codes, and a currency before its day, as a writer of one currency does: so they wait for each
-- other instead of locking each other out.
-- Called by: src/queries/rates.ts.
CREATE OR REPLACE FUNCTION public.import_rates(
  from_source text, of_date date, entries jsonb, may_create boolean,
  OUT created integer, OUT updated integer, OUT unchanged integer, OUT kept integer)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- Codes: of what the bank says of the day otherwise than before, and of what of that is news to `currencies`.
  requoted text[];
  new_rates text[];
  new_names text[];
BEGIN
  -- Of two files at once the second must see what the first has said.
  IF NOT pg_try_advisory_xact_lock(feed.lock_key('rates')) THEN
    PERFORM feed.end_strangers('rates');
    PERFORM pg_advisory_xact_lock(feed.lock_key('rates'));
  END IF;

  SELECT
    coalesce(array_agg(n.currency) FILTER (WHERE n.is_requoted), '{}'),
    coalesce(array_agg(n.currency) FILTER (WHERE n.is_requoted AND n.is_latest), '{}'),
    coalesce(array_agg(n.currency) FILTER (WHERE n.is_renamed AND n.is_latest), '{}')
  INTO requoted, new_rates, new_names
  FROM (
    SELECT
      said.currency,
      (known.quoted_rate, known.quoted_nominal) IS DISTINCT FROM (said.rate, said.nominal) AS is_requoted,
      coalesce(known.quoted_name <> said.name, false) AS is_renamed,
      NOT EXISTS (
        SELECT FROM public.currency_rates AS later
        WHERE later.currency = said.currency AND later.rate_date > of_date AND later.quoted_rate IS NOT NULL) AS is_latest
    FROM public.quoted_rates(entries) AS said
    LEFT JOIN public.currency_rates AS known ON known.currency = said.currency AND known.rate_date = of_date
  ) AS n;

  WITH written AS (
    INSERT INTO public.currencies AS c (currency, name, nominal, rate, rate_date, source)
    SELECT said.currency, said.name, said.nominal, said.rate, of_date, from_source
    FROM public.quoted_rates(entries) AS said
    WHERE may_create OR EXISTS (SELECT FROM public.currencies AS known WHERE known.currency = said.currency)
    ORDER BY said.currency
    ON CONFLICT ON CONSTRAINT currencies_currency_key DO UPDATE
    SET (name, nominal, rate, rate_date, source) = (
      SELECT excluded.name, told.nominal, told.rate, told.rate_date, told.source
      FROM (VALUES
        (true, excluded.nominal, excluded.rate, excluded.rate_date, excluded.source),
        (false, c.nominal, c.rate, c.rate_date, c.source)) AS told (is_new, nominal, rate, rate_date, source)
      WHERE told.is_new = (c.rate_date <= of_date AND c.currency = ANY (new_rates)))
    WHERE c.rate_date <= of_date AND c.currency = ANY (new_rates)
        AND (c.name, c.nominal, c.rate, c.rate_date, c.source)
          IS DISTINCT FROM (excluded.name, excluded.nominal, excluded.rate, excluded.rate_date, excluded.source)
      OR c.currency = ANY (new_names) AND c.name <> excluded.name
    RETURNING c.version
  )
  -- A new row has a new id, and so version 1.
  SELECT count(*) FILTER (WHERE w.version = 1), count(*) FILTER (WHERE w.version > 1) INTO created, updated
  FROM written AS w;
  unchanged := jsonb_array_length(entries) - created - updated;
  kept := cardinality(requoted);

  INSERT INTO public.currency_rates AS known
    (currency, rate_date, rate, nominal, quoted_rate, quoted_nominal, quoted_name)
  SELECT said.currency, of_date, said.rate, said.nominal, said.rate, said.nominal, said.name
  FROM public.quoted_rates(entries) AS said
  ORDER BY said.currency
  ON CONFLICT ON CONSTRAINT currency_rates_pkey DO UPDATE
  SET quoted_rate = excluded.quoted_rate, quoted_nominal = excluded.quoted_nominal, quoted_name = excluded.quoted_name
  WHERE (known.quoted_rate, known.quoted_nominal, known.quoted_name)
    IS DISTINCT FROM (excluded.quoted_rate, excluded.quoted_nominal, excluded.quoted_name);

  -- A statement of its own, to see who has made a currency until the rows of the day were ours.
  UPDATE public.currency_rates AS known
  SET rate = known.quoted_rate, nominal = known.quoted_nominal
  WHERE known.currency = ANY (requoted) AND known.rate_date = of_date
    AND (known.rate, known.nominal) IS DISTINCT FROM (known.quoted_rate, known.quoted_nominal)
    -- What `currencies` says of the day is kept by its trigger.
    AND NOT EXISTS (
      SELECT FROM public.currencies AS c WHERE c.currency = known.currency AND c.rate_date = of_date);
END
$$;
COMMENT ON FUNCTION public.import_rates(text, date, jsonb, boolean) IS
  'Writes one day''s rates of a bank, all or none; how many currencies it created, updated and left, and of how many it '
  'says of the day what it has not said before.';
