-- One positive number divided by another, rounded once, half up, to 20 decimals. PostgreSQL's own division chooses how many digits it gives by the size of its operands.
-- Called by: public.convert_currency(), public.quoted_rates().
CREATE OR REPLACE FUNCTION public.quotient(dividend numeric, divisor numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN trim_scale(div(dividend * 2e20 + divisor, 2 * divisor) * 1e-20);
COMMENT ON FUNCTION public.quotient(numeric, numeric) IS 'A quotient of positive numbers, to 20 decimals.';
