-- What is once true of a token stays so: what it is known by, and that it was revoked. The trigger tokens_before_update.
-- Called by: sql/tokens/triggers.sql.
CREATE OR REPLACE FUNCTION public.tokens_before_update() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF (NEW.id, NEW.hash, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.hash, OLD.created_at) THEN
    RAISE EXCEPTION 'id, hash and created_at of a token never change'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'tokens_identity_fixed', TABLE = 'tokens', SCHEMA = TG_TABLE_SCHEMA,
        HINT = 'Revoke it and create another one.';
  END IF;
  IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
    RAISE EXCEPTION 'the token % was revoked, and stays so', OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'tokens_stay_revoked', TABLE = 'tokens', SCHEMA = TG_TABLE_SCHEMA,
        HINT = 'Create another one.';
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION public.tokens_before_update() IS 'Keeps what a token is known by, and that it was revoked.';
