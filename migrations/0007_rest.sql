-- Up Migration

-- What lists of tasks need: an index for each sort, so that a page is read and not sorted, and one for the full text.
-- Every sort ends with the id, so that keys are unique; an index is walked in both directions.

CREATE FUNCTION public.priority_rank(priority text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN array_position(ARRAY['low', 'normal', 'high', 'urgent'], priority);
COMMENT ON FUNCTION public.priority_rank(text) IS 'The place of a priority among the others: 1 is low, 4 is urgent.';

-- Two readings of one text: as it is, so that every word can be found as it is written, and with the endings of Russian
-- and English words taken off. No setting of the session has a say in it.
CREATE FUNCTION public.task_words(title text, description text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_tsvector('pg_catalog.simple', title || E'\n' || coalesce(description, ''))
  || to_tsvector('pg_catalog.russian', title || E'\n' || coalesce(description, ''));
COMMENT ON FUNCTION public.task_words(text, text) IS
  'The words of a task''s title and description, as they are written and without their endings.';

CREATE INDEX tasks_by_updated_at ON public.tasks (updated_at, id);
CREATE INDEX tasks_by_due_at ON public.tasks (due_at, id);
CREATE INDEX tasks_by_priority ON public.tasks (public.priority_rank(priority), id);
CREATE INDEX tasks_by_title ON public.tasks (title COLLATE "C", id);
-- New words wait in a list that every search reads and one writer in so many puts away: kept short, so that neither takes
-- long.
CREATE INDEX tasks_by_words ON public.tasks USING gin (public.task_words(title, description))
  WITH (gin_pending_list_limit = 512);

-- A label is rare, and most tasks have none: those cost nothing here.
CREATE INDEX tasks_by_label ON public.tasks USING gin (labels) WHERE labels <> '{}';

CREATE TABLE public.idempotency_keys (
  key text NOT NULL,
  request bytea NOT NULL,
  status integer NOT NULL,
  headers jsonb NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key),
  CONSTRAINT idempotency_keys_key_length CHECK (char_length(key) BETWEEN 1 AND 255),
  CONSTRAINT idempotency_keys_request_digest CHECK (octet_length(request) = 32),
  CONSTRAINT idempotency_keys_headers_object CHECK (jsonb_typeof(headers) = 'object')
);
COMMENT ON TABLE public.idempotency_keys IS
  'What was answered to requests with an Idempotency-Key, written in the transaction of what they changed. `request` is '
  'the SHA-256 of the request. After 24 hours a row counts for nothing, and later requests with a key take it away.';

CREATE INDEX idempotency_keys_by_created_at ON public.idempotency_keys (created_at);
