-- Keeps what a currency is worth as the rate of its day. The AFTER ROW trigger of currencies, so that currency_rates is
-- true whatever writes. With the rights of its owner: a role that may write a currency need not be able to write its past.
-- Called by: sql/currencies/triggers.sql.
CREATE OR REPLACE FUNCTION public.currencies_keep_rate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO public.currency_rates AS known (currency, rate_date, rate, nominal)
  VALUES (NEW.currency, NEW.rate_date, NEW.rate, NEW.nominal)
  ON CONFLICT ON CONSTRAINT currency_rates_pkey DO UPDATE
  SET rate = excluded.rate, nominal = excluded.nominal
  WHERE (known.rate, known.nominal) IS DISTINCT FROM (excluded.rate, excluded.nominal);
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION public.currencies_keep_rate() IS 'AFTER ROW trigger of currencies: the rate of its day.';
