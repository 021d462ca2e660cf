-- Up Migration

-- The rules of a rate of a day, in one CHECK: see 0026_task_rules.sql.

-- Written as RETURN, whose names are resolved here and now: a text would be read with the writer's search_path.
CREATE FUNCTION public.broken_rate_rule(
  currency text, rate_date date, rate numeric, nominal integer, quoted_rate numeric, quoted_nominal integer,
  quoted_name text
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN NOT (currency ~ '^[A-Z]{3}$') THEN 'currency_rates_currency_format'
  WHEN NOT (nominal > 0) THEN 'currency_rates_nominal_positive'
  WHEN NOT (quoted_name IS NULL OR quoted_rate IS NOT NULL) THEN 'currency_rates_quoted_name_beside_rate'
  WHEN NOT (char_length(quoted_name) BETWEEN 1 AND 200) THEN 'currency_rates_quoted_name_length'
  WHEN NOT (quoted_nominal > 0) THEN 'currency_rates_quoted_nominal_positive'
  WHEN NOT (quoted_rate > 0 AND quoted_rate < 1e20) THEN 'currency_rates_quoted_rate_range'
  WHEN NOT ((quoted_rate IS NULL) = (quoted_nominal IS NULL)) THEN 'currency_rates_quoted_whole'
  WHEN NOT (rate_date >= '0001-01-01' AND rate_date <= '9999-12-31') THEN 'currency_rates_rate_date_range'
  WHEN NOT (rate > 0 AND rate < 1e20) THEN 'currency_rates_rate_range'
  WHEN NOT (scale(rate) <= 20) THEN 'currency_rates_rate_scale'
  WHEN NOT (currency <> 'RUB' OR rate = 1) THEN 'currency_rates_rouble_is_one'
END;
COMMENT ON FUNCTION public.broken_rate_rule(text, date, numeric, integer, numeric, integer, text) IS
  'The first rule, by name, that a rate of a day breaks; NULL if it breaks none. A rule that has nothing to say of a NULL is kept.';

-- Nothing in it but full names: whatever else plpgsql reads, it reads with the writer's search_path.
CREATE FUNCTION public.currency_rates_rules(
  currency text, rate_date date, rate numeric, nominal integer, quoted_rate numeric, quoted_nominal integer,
  quoted_name text
) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
  broken CONSTANT pg_catalog.text := public.broken_rate_rule(
    currency, rate_date, rate, nominal, quoted_rate, quoted_nominal, quoted_name);
BEGIN
  IF broken IS NULL THEN
    RETURN true;
  END IF;
  RAISE EXCEPTION 'new row for relation "currency_rates" violates check constraint "%"', broken
    USING ERRCODE = 'check_violation', CONSTRAINT = broken, TABLE = 'currency_rates', SCHEMA = 'public';
END
$$;
COMMENT ON FUNCTION public.currency_rates_rules(text, date, numeric, integer, numeric, integer, text) IS
  'The CHECK of currency_rates: true, or the refusal that names the rule which a row breaks.';

-- In one statement, so that no row is ever without rules. NOT VALID: what is there was held against the same ones, and
-- no writer waits until it is read again.
ALTER TABLE public.currency_rates
  ADD CONSTRAINT currency_rates_rules CHECK (public.currency_rates_rules(
    currency, rate_date, rate, nominal, quoted_rate, quoted_nominal, quoted_name)) NOT VALID,
  DROP CONSTRAINT currency_rates_currency_format,
  DROP CONSTRAINT currency_rates_nominal_positive,
  DROP CONSTRAINT currency_rates_quoted_name_beside_rate,
  DROP CONSTRAINT currency_rates_quoted_name_length,
  DROP CONSTRAINT currency_rates_quoted_nominal_positive,
  DROP CONSTRAINT currency_rates_quoted_rate_range,
  DROP CONSTRAINT currency_rates_quoted_whole,
  DROP CONSTRAINT currency_rates_rate_date_range,
  DROP CONSTRAINT currency_rates_rate_range,
  DROP CONSTRAINT currency_rates_rate_scale,
  DROP CONSTRAINT currency_rates_rouble_is_one;
