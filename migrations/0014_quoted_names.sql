-- Up Migration

-- What the bank itself last called a currency in its file of a day, beside what it said of the rate: so a name that it
-- corrects on the same day is told from one that a person or a message has changed since. NULL: it said nothing, or before
-- this was kept; then the next file only tells what it is called.
ALTER TABLE public.currency_rates
  ADD COLUMN quoted_name text,
  ADD CONSTRAINT currency_rates_quoted_name_length CHECK (char_length(quoted_name) BETWEEN 1 AND 200),
  ADD CONSTRAINT currency_rates_quoted_name_beside_rate CHECK (quoted_name IS NULL OR quoted_rate IS NOT NULL);
COMMENT ON TABLE public.currency_rates IS
  'What a unit of each currency was worth on each day, the days before those in `currencies` too. The trigger '
  'currencies_keep_rate writes what `currencies` says; the rates job adds older days. `quoted_rate`, `quoted_nominal` '
  'and `quoted_name` are what the bank last said of the day; `rate` is another where it was changed elsewhere since. '
  'It outlives its currency.';
