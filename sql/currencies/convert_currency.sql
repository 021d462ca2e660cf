-- What an amount of one currency is worth in another, by the rates as they are now, through the rouble: the amount times
-- the rate of the one divided by the rate of the other. The product is exact; the quotient is rounded once, half
-- up, to 20 decimals. The rouble is always one, of the day of the other rate, whether or not it has a row.
-- A currency that is not there has no rate, and then there is no amount.
-- Called by: src/queries/currencies.ts.
CREATE OR REPLACE FUNCTION public.convert_currency(
  of_amount numeric, from_code text, to_code text,
  OUT amount text, OUT from_rate text, OUT from_date text, OUT to_rate text, OUT to_date text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  WITH rates AS (
    SELECT f.rate AS from_rate, f.rate_date AS from_date, t.rate AS to_rate, t.rate_date AS to_date
    FROM (VALUES (1)) AS one
    LEFT JOIN public.currencies AS f ON f.currency = from_code AND from_code <> 'RUB'
    LEFT JOIN public.currencies AS t ON t.currency = to_code AND to_code <> 'RUB'
  ), known AS (
    SELECT
      CASE from_code WHEN 'RUB' THEN 1 ELSE r.from_rate END AS from_rate,
      CASE to_code WHEN 'RUB' THEN 1 ELSE r.to_rate END AS to_rate,
      CASE from_code WHEN 'RUB' THEN r.to_date ELSE r.from_date END AS from_date,
      CASE to_code WHEN 'RUB' THEN r.from_date ELSE r.to_date END AS to_date
    FROM rates AS r
  )
  SELECT
    public.quotient(of_amount * k.from_rate, k.to_rate)::text,
    k.from_rate::text, to_char(k.from_date, 'YYYY-MM-DD'), k.to_rate::text, to_char(k.to_date, 'YYYY-MM-DD')
  FROM known AS k
$$;
COMMENT ON FUNCTION public.convert_currency(numeric, text, text) IS
  'An amount of one currency in another, to 20 decimals, with the rates and their days.';
