-- Up Migration

-- What a currency is worth now is one of its rates: pg_dump then writes the rates first, and a restore of the data alone
-- finds the currencies' newest rates there, as the trigger currencies_keep_rate wants them, instead of failing on them.
-- Looked at only at the commit, when that trigger has written the rate. Locked in the order in which writers lock them.
LOCK TABLE public.currencies, public.currency_rates IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO public.currency_rates (currency, rate_date, rate, nominal)
SELECT c.currency, c.rate_date, c.rate, c.nominal FROM public.currencies AS c
ON CONFLICT DO NOTHING;
ALTER TABLE public.currencies
  ADD CONSTRAINT currencies_rate_of_its_day FOREIGN KEY (currency, rate_date) REFERENCES public.currency_rates (currency, rate_date)
  DEFERRABLE INITIALLY DEFERRED;

-- Which sql/ stands here, so that an older program never puts its own in the place of a newer one's.
ALTER TABLE feed.log ADD COLUMN sql_version integer;
COMMENT ON COLUMN feed.log.sql_version IS 'The version of the sql/ that was applied last, see sql/version.json.';
