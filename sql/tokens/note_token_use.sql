-- Notes how many seconds ago tokens were used last. Called by every instance, at most once a minute, for those that it has
-- seen: the application's role may only read the table, so this runs with the rights of its owner. It never goes back, and
-- never ahead of now.
-- Called by: src/queries/tokens.ts.
CREATE OR REPLACE FUNCTION public.note_token_use(ids text[], seconds float8[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE public.tokens AS t
  SET last_used_at = used.at
  FROM (
    SELECT u.id, now() - make_interval(secs => greatest(u.seconds, 0)) AS at
    FROM unnest(ids, seconds) AS u (id, seconds)
  ) AS used
  WHERE t.id = used.id AND (t.last_used_at IS NULL OR t.last_used_at < used.at)
$$;
COMMENT ON FUNCTION public.note_token_use(text[], float8[]) IS 'Notes how many seconds ago tokens were used last.';
