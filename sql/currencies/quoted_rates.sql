-- The entries of a bank's file with the rate of one unit: value / nominal, rounded half up to 20 decimals, and so exact
-- wherever the quotient ends by then: for every nominal that is a power of ten and a value of up to 10 decimals. Called
-- by import_rates().
-- Called by: public.import_rates().
CREATE OR REPLACE FUNCTION public.quoted_rates(entries jsonb)
RETURNS TABLE (currency text, name text, nominal integer, rate numeric)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT e.currency, e.name, e.nominal, public.quotient(e.value, e.nominal)
  FROM jsonb_to_recordset(entries) AS e (currency text, name text, nominal integer, value numeric)
$$;
COMMENT ON FUNCTION public.quoted_rates(jsonb) IS 'A bank''s entries with the rate of one unit.';
