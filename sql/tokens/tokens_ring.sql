-- Tells every instance that tokens have changed, when the change is committed: the trigger tokens_ring. A NOTIFY is a hint:
-- an instance that does not hear it finds out by asking, see src/access/token_store.ts.
-- Called by: sql/tokens/triggers.sql.
CREATE OR REPLACE FUNCTION public.tokens_ring() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM pg_notify(feed.channel('events'), '{"tokens":true}');
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION public.tokens_ring() IS 'Tells every instance that tokens have changed.';
