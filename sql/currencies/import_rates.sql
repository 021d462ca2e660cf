-- Brings one day's file of a bank into the tables: all of it, or, if one entry breaks a rule, none. Called by the rates
-- job and by the backfill, in a session that has set taskwire.origin. `entries` is a list of objects with currency, name,
-- nominal and value, the price of `nominal` units as a decimal text; no currency stands twice.
-- A rate is news if the bank has said nothing yet of that day or a later one, or something else of that day. Only news
-- changes a currency: what a person or NATS has told since the bank did is newer than the same file, read once more. The
-- bank's word is kept in currency_rates for this. News of a day before that of the currency changes nothing else, either.
-- Of a currency that is not there only the day is kept unless `may_create`: a file of long ago names many that are no more.
-- In the order of the codes, and a currency before its day, as whoever writes one currency does: so they wait for each
-- other instead of locking each other out.
CREATE OR REPLACE FUNCTION public.import_rates(
  from_source text, of_date date, entries jsonb, may_create boolean,
  OUT created integer, OUT updated integer, OUT unchanged integer, OUT kept integer)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  news text[];
BEGIN
  -- Of two files at once the second must see what the first has said.
  IF NOT pg_try_advisory_xact_lock(feed.lock_key('rates')) THEN
    PERFORM feed.end_strangers('rates');
    PERFORM pg_advisory_xact_lock(feed.lock_key('rates'));
  END IF;

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
      AND NOT EXISTS (
        SELECT FROM public.currency_rates AS known
        WHERE known.currency = excluded.currency AND known.quoted_rate IS NOT NULL
          AND (known.rate_date > of_date
            OR known.rate_date = of_date
              AND (known.quoted_rate, known.quoted_nominal) = (excluded.rate, excluded.nominal)))
    RETURNING c.version
  )
  -- A new row has a new id, and so version 1.
  SELECT count(*) FILTER (WHERE w.version = 1), count(*) FILTER (WHERE w.version > 1) INTO created, updated
  FROM written AS w;
  unchanged := jsonb_array_length(entries) - created - updated;

  WITH told AS (
    INSERT INTO public.currency_rates AS known (currency, rate_date, rate, nominal, quoted_rate, quoted_nominal)
    SELECT said.currency, of_date, said.rate, said.nominal, said.rate, said.nominal
    FROM public.quoted_rates(entries) AS said
    ORDER BY said.currency
    ON CONFLICT ON CONSTRAINT currency_rates_pkey DO UPDATE
    SET quoted_rate = excluded.quoted_rate, quoted_nominal = excluded.quoted_nominal
    WHERE (known.quoted_rate, known.quoted_nominal) IS DISTINCT FROM (excluded.quoted_rate, excluded.quoted_nominal)
    RETURNING known.currency
  )
  SELECT count(*), array_agg(t.currency) INTO kept, news
  FROM told AS t;

  -- A statement of its own, to see who has made a currency until the rows of the day were ours.
  UPDATE public.currency_rates AS known
  SET rate = known.quoted_rate, nominal = known.quoted_nominal
  WHERE known.currency = ANY (news) AND known.rate_date = of_date
    AND (known.rate, known.nominal) IS DISTINCT FROM (known.quoted_rate, known.quoted_nominal)
    -- What `currencies` says of the day is kept by its trigger.
    AND NOT EXISTS (
      SELECT FROM public.currencies AS c WHERE c.currency = known.currency AND c.rate_date = of_date);
END
$$;
COMMENT ON FUNCTION public.import_rates(text, date, jsonb, boolean) IS
  'Writes one day''s rates of a bank, all or none; how many currencies it created, updated and left, and of how many it '
  'says of the day what it has not said before.';
