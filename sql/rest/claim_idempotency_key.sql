-- Takes an Idempotency-Key for the transaction of a request, or tells what became of it. Called by the API as the first
-- statement of that transaction, which must be READ COMMITTED: what the one before wrote must be seen once its lock is gone.
-- The lock is the claim and ends with the transaction, so that a request that failed, or whose instance died, leaves
-- nothing behind. It is never waited for: who waits would hold a connection that others need, the one ahead among them.
-- The row comes with the answer, at the end: a key that is only claimed is never seen by anybody.
-- A request that takes a key also takes away some that are older than 24 hours, so that there is no write while nothing is asked.
-- Outcomes: 'new', and the caller writes the row; 'kept', with the answer; 'another' when it was another request's;
-- 'running' while another transaction has the key, and the caller may look again in a new one.
-- A key is of one token's, or of all clients' where none is asked for. An instance of the version before gives none.
-- Called by: src/queries/idempotency.ts.
DO $$
BEGIN
  IF to_regprocedure('public.claim_idempotency_key(text, bytea)') IS NOT NULL THEN
    DROP FUNCTION public.claim_idempotency_key(text, bytea); -- as it was before there were tokens
  END IF;
END
$$;
CREATE OR REPLACE FUNCTION public.claim_idempotency_key(wanted text, of_request bytea, of_token text DEFAULT '')
RETURNS TABLE (outcome text, status integer, headers jsonb, body text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  kept public.idempotency_keys;
BEGIN
  IF NOT pg_try_advisory_xact_lock(feed.lock_key('idempotency:' || CASE WHEN of_token = '' THEN '' ELSE of_token || ' ' END || wanted)) THEN
    RETURN QUERY SELECT 'running', NULL::integer, NULL::jsonb, NULL::text;
    RETURN;
  END IF;

  SELECT * INTO kept
  FROM public.idempotency_keys AS k
  WHERE k.key = wanted AND k.token = of_token AND k.created_at > now() - interval '24 hours';
  IF FOUND AND kept.request = of_request THEN
    RETURN QUERY SELECT 'kept', kept.status, kept.headers, kept.body;
    RETURN;
  ELSIF FOUND THEN
    RETURN QUERY SELECT 'another', NULL::integer, NULL::jsonb, NULL::text;
    RETURN;
  END IF;

  DELETE FROM public.idempotency_keys AS k
  USING (
    SELECT old.key, old.token
    FROM public.idempotency_keys AS old
    WHERE old.created_at <= now() - interval '24 hours'
    ORDER BY old.created_at
    LIMIT 20
    FOR UPDATE SKIP LOCKED
  ) AS old
  WHERE k.key = old.key AND k.token = old.token;
  RETURN QUERY SELECT 'new', NULL::integer, NULL::jsonb, NULL::text;
END
$$;
COMMENT ON FUNCTION public.claim_idempotency_key(text, bytea, text) IS
  'Takes an Idempotency-Key until the transaction ends, or tells what was answered to it.';
