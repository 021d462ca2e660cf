-- The triggers of tokens. That one was used is nobody's news.
SELECT feed.ensure_trigger(
  'public.tokens', 'tokens_before_update', 'BEFORE UPDATE', 'ROW', 'public.tokens_before_update()');
SELECT feed.ensure_trigger(
  'public.tokens', 'tokens_ring',
  'AFTER INSERT OR DELETE OR UPDATE OF hash, name, scopes, expires_at, revoked_at OR TRUNCATE', 'STATEMENT', 'public.tokens_ring()');
