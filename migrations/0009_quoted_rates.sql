-- Up Migration

-- What the bank itself last said of a day, beside what the day's rate is: a file that says just that again has nothing new,
-- and must not put back what came from elsewhere since. NULL: it said nothing, or before this was kept.
ALTER TABLE public.currency_rates
  ADD COLUMN quoted_rate numeric,
  ADD COLUMN quoted_nominal integer,
  ADD CONSTRAINT currency_rates_quoted_whole CHECK ((quoted_rate IS NULL) = (quoted_nominal IS NULL)),
  ADD CONSTRAINT currency_rates_quoted_rate_range CHECK (quoted_rate > 0 AND quoted_rate < 1e20),
  ADD CONSTRAINT currency_rates_quoted_nominal_positive CHECK (quoted_nominal > 0);
COMMENT ON TABLE public.currency_rates IS
  'What a unit of each currency was worth on each day, the days before those in `currencies` too. The trigger '
  'currencies_keep_rate writes what `currencies` says; the rates job adds older days. `quoted_rate` and '
  '`quoted_nominal` are what the bank last said of the day; `rate` is another where somebody has changed it since. '
  'It outlives its currency.';
