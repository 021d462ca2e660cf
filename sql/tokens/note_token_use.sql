-- Notes that tokens were used until now. Called by every instance, at most once a minute, for those that it has seen: the
-- application's role may only read the table, so this runs with the rights of its owner.
-- Called by: src/queries/tokens.ts.
CREATE OR REPLACE FUNCTION public.note_token_use(ids text[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE public.tokens AS t
  SET last_used_at = now()
  WHERE t.id = ANY (ids) AND (t.last_used_at IS NULL OR t.last_used_at < now())
$$;
COMMENT ON FUNCTION public.note_token_use(text[]) IS 'Notes that tokens were used until now.';
