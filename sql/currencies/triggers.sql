-- The triggers of currencies: what the database makes itself, capture, and the rate of the day.
SELECT feed.ensure_trigger(
  'public.currencies', 'currencies_before_write', 'BEFORE INSERT OR UPDATE', 'ROW', 'public.currencies_before_write()');
SELECT feed.ensure_trigger(
  'public.currencies', 'currencies_keep_rate', 'AFTER INSERT OR UPDATE', 'ROW', 'public.currencies_keep_rate()');
SELECT feed.watch('public.currencies', topic => 'currencies', entity => 'currency', versioned => true);
