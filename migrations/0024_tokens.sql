-- Up Migration

-- Outside of the log's schema, whose tables people's read-only role may read.
CREATE TABLE public.tokens (
  id text NOT NULL,
  hash bytea NOT NULL,
  name text NOT NULL,
  scopes text[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  CONSTRAINT tokens_pkey PRIMARY KEY (id),
  CONSTRAINT tokens_id_form CHECK (id COLLATE "C" ~ '^[0-9A-Za-z]{8}$'),
  CONSTRAINT tokens_hash_digest CHECK (octet_length(hash) = 32),
  CONSTRAINT tokens_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
  -- What is printed as nothing, or turns what stands beside it around, would make one name look like another.
  CONSTRAINT tokens_name_printable CHECK (
    name = btrim(name) AND name !~ '[[:cntrl:]\u00AD\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF]'),
  CONSTRAINT tokens_scopes_known CHECK (
    cardinality(scopes) > 0 AND array_position(scopes, NULL) IS NULL AND scopes <@ ARRAY[
      'tasks:read', 'tasks:write', 'currencies:read', 'currencies:write', 'generator:run', 'events:read', 'admin']),
  CONSTRAINT tokens_expires_later CHECK (expires_at > created_at)
);
COMMENT ON TABLE public.tokens IS
  'Who may ask, where AUTH=token: a token is known by its SHA-256 alone. Written by its owner, by npm run token or by hand; '
  'the service reads it, and every instance hears of a change at once. It is no topic: nothing of it is in the log.';

-- A key is a client's own: what is remembered under it is answered to no other one.
ALTER TABLE public.idempotency_keys ADD COLUMN token text NOT NULL DEFAULT '';
ALTER TABLE public.idempotency_keys DROP CONSTRAINT idempotency_keys_pkey;
ALTER TABLE public.idempotency_keys ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key, token);
COMMENT ON COLUMN public.idempotency_keys.token IS 'The id of the token that the request was sent with; empty where none is asked for.';
