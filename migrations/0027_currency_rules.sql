-- Up Migration

-- The rules of a currency, in one CHECK: see 0026_task_rules.sql.

-- Written as RETURN, whose names are resolved here and now: a text would be read with the writer's search_path.
CREATE FUNCTION public.broken_currency_rule(
  currency text, name text, nominal integer, rate numeric, rate_date date, source text, "timestamp" timestamptz,
  version bigint
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN NOT (currency ~ '^[A-Z]{3}$') THEN 'currencies_currency_format'
  WHEN NOT (char_length(name) BETWEEN 1 AND 200) THEN 'currencies_name_length'
  WHEN NOT (nominal > 0) THEN 'currencies_nominal_positive'
  WHEN NOT (rate_date >= '0001-01-01' AND rate_date <= '9999-12-31') THEN 'currencies_rate_date_range'
  WHEN NOT (rate > 0 AND rate < 1e20) THEN 'currencies_rate_range'
  WHEN NOT (scale(rate) <= 20) THEN 'currencies_rate_scale'
  WHEN NOT (currency <> 'RUB' OR rate = 1) THEN 'currencies_rouble_is_one'
  WHEN NOT (char_length(source) BETWEEN 1 AND 100) THEN 'currencies_source_length'
  WHEN NOT ("timestamp" >= '0001-01-01 00:00:00+00' AND "timestamp" < '10000-01-01 00:00:00+00') THEN 'currencies_timestamp_range'
  WHEN NOT (version > 0) THEN 'currencies_version_positive'
END;
COMMENT ON FUNCTION public.broken_currency_rule(text, text, integer, numeric, date, text, timestamptz, bigint) IS
  'The first rule, by name, that a currency breaks; NULL if it breaks none. A rule that has nothing to say of a NULL is kept.';

-- Nothing in it but full names: whatever else plpgsql reads, it reads with the writer's search_path.
CREATE FUNCTION public.currencies_rules(
  currency text, name text, nominal integer, rate numeric, rate_date date, source text, "timestamp" timestamptz,
  version bigint
) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
  broken CONSTANT pg_catalog.text := public.broken_currency_rule(
    currency, name, nominal, rate, rate_date, source, "timestamp", version);
BEGIN
  IF broken IS NULL THEN
    RETURN true;
  END IF;
  RAISE EXCEPTION 'new row for relation "currencies" violates check constraint "%"', broken
    USING ERRCODE = 'check_violation', CONSTRAINT = broken, TABLE = 'currencies', SCHEMA = 'public';
END
$$;
COMMENT ON FUNCTION public.currencies_rules(text, text, integer, numeric, date, text, timestamptz, bigint) IS
  'The CHECK of currencies: true, or the refusal that names the rule which a row breaks.';

-- In one statement, so that no row is ever without rules. NOT VALID: what is there was held against the same ones, and
-- no writer waits until it is read again.
ALTER TABLE public.currencies
  ADD CONSTRAINT currencies_rules CHECK (public.currencies_rules(
    currency, name, nominal, rate, rate_date, source, "timestamp", version)) NOT VALID,
  DROP CONSTRAINT currencies_currency_format,
  DROP CONSTRAINT currencies_name_length,
  DROP CONSTRAINT currencies_nominal_positive,
  DROP CONSTRAINT currencies_rate_date_range,
  DROP CONSTRAINT currencies_rate_range,
  DROP CONSTRAINT currencies_rate_scale,
  DROP CONSTRAINT currencies_rouble_is_one,
  DROP CONSTRAINT currencies_source_length,
  DROP CONSTRAINT currencies_timestamp_range,
  DROP CONSTRAINT currencies_version_positive;
