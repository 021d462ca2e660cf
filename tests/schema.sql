-- The schema that migrations/ and sql/ make. Written by UPDATE_SCHEMA=1 npm test -- tests/schema.test.ts

CREATE SCHEMA feed;
GRANT USAGE ON SCHEMA feed TO taskwire_app;
GRANT USAGE ON SCHEMA feed TO taskwire_reader;

CREATE SCHEMA public;
GRANT USAGE ON SCHEMA public TO PUBLIC;
GRANT USAGE ON SCHEMA public TO taskwire_app;
GRANT USAGE ON SCHEMA public TO taskwire_reader;

CREATE TABLE feed.archive_files (
  first bigint NOT NULL,
  last bigint NOT NULL,
  log uuid NOT NULL,
  bytes bigint NOT NULL,
  sha256 bytea NOT NULL,
  archived_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT archive_files_bytes_positive CHECK ((bytes > 0)),
  CONSTRAINT archive_files_in_order CHECK (((first > 0) AND (last >= first))),
  CONSTRAINT archive_files_last_key UNIQUE (last),
  CONSTRAINT archive_files_pkey PRIMARY KEY (first),
  CONSTRAINT archive_files_sha256_length CHECK ((octet_length(sha256) = 32))
);
COMMENT ON TABLE feed.archive_files IS 'The files of EVENT_ARCHIVE, <log>/<first>-<last>.jsonl.gz, each with the positions that it holds and the SHA-256 of its bytes. A file that is not here is none: a restored database knows which it relies on. One row, some 150 bytes, for 10,000 events.';
GRANT SELECT ON feed.archive_files TO taskwire_app;
GRANT SELECT ON feed.archive_files TO taskwire_reader;

CREATE TABLE feed.detached (
  relation oid NOT NULL,
  CONSTRAINT detached_pkey PRIMARY KEY (relation)
);
COMMENT ON TABLE feed.detached IS 'Partitions that are to be taken off the log and dropped, noted before: so one whose dropping was cut off is known by more than its name. Empty but for a moment.';
GRANT SELECT ON feed.detached TO taskwire_app;
GRANT SELECT ON feed.detached TO taskwire_reader;

CREATE TABLE feed.epochs (
  id uuid NOT NULL,
  last_position bigint NOT NULL,
  ended_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT epochs_last_position_natural CHECK ((last_position >= 0)),
  CONSTRAINT epochs_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE feed.epochs IS 'The earlier epochs of this log, each with the last position that it has here. A client of one of them goes on if its position is not beyond that one; else it has seen what this log has lost. One row for each start of PostgreSQL on which events were numbered, some 60 bytes; feed.new_log() takes them away.';
CREATE TRIGGER epochs_never_change BEFORE UPDATE ON feed.epochs FOR EACH ROW EXECUTE FUNCTION feed.refuse('epochs_never_change'); -- ENABLE ALWAYS
CREATE TRIGGER epochs_never_truncated BEFORE TRUNCATE ON feed.epochs FOR EACH STATEMENT EXECUTE FUNCTION feed.refuse('epochs_never_truncated'); -- ENABLE ALWAYS
GRANT SELECT ON feed.epochs TO taskwire_app;
GRANT SELECT ON feed.epochs TO taskwire_reader;

CREATE TABLE feed.event_batches (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  last_position bigint NOT NULL,
  snapshot pg_snapshot NOT NULL,
  at timestamp with time zone NOT NULL,
  CONSTRAINT event_batches_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE feed.event_batches IS 'One row per batch of the sequencer: the last position it gave, the snapshot it saw, and when. What the next batch numbers is the difference of two snapshots; `at` turns a time into a position.';
CREATE INDEX event_batches_by_at ON feed.event_batches USING btree (at, last_position);
CREATE INDEX event_batches_by_last_position ON feed.event_batches USING btree (last_position);
CREATE TRIGGER event_batches_append_only BEFORE DELETE OR UPDATE ON feed.event_batches FOR EACH ROW EXECUTE FUNCTION feed.keep_batches(); -- ENABLE ALWAYS
CREATE TRIGGER event_batches_append_only_truncate BEFORE TRUNCATE ON feed.event_batches FOR EACH STATEMENT EXECUTE FUNCTION feed.refuse('event_batches_append_only'); -- ENABLE ALWAYS
GRANT SELECT ON feed.event_batches TO taskwire_app;
GRANT SELECT ON feed.event_batches TO taskwire_reader;

CREATE TABLE feed.events (
  "position" bigint NOT NULL,
  staged_id bigint NOT NULL,
  topic text NOT NULL,
  type text NOT NULL,
  subject text NOT NULL,
  "time" timestamp with time zone NOT NULL,
  origin text NOT NULL,
  transaction xid8 NOT NULL,
  requestid text,
  data json NOT NULL,
  previous json,
  bytes integer,
  entity text,
  actor json,
  CONSTRAINT events_pkey PRIMARY KEY ("position"),
  CONSTRAINT events_position_positive CHECK (("position" > 0))
);
COMMENT ON TABLE feed.events IS 'The log: every committed change, numbered 1, 2, 3, … without a gap. Only feed.sequence_staged() and feed.new_log() append to it. In partitions by position, of log.partition_size positions each; more from the twelfth on, so that there are never many. A staged row can be numbered once only: each partition has its own events_…_staged_id_key, and staged ids are numbered once by the condition of feed.sequence_staged() and the primary key.';
CREATE INDEX events_by_currency ON ONLY feed.events USING btree (((data ->> 'currency'::text)), "position") WHERE ((topic = 'currencies'::text) AND (type = 'currency_created'::text));
CREATE INDEX events_by_subject ON ONLY feed.events USING btree (subject, "position");
CREATE INDEX events_by_type ON ONLY feed.events USING btree (topic, type, "position");
CREATE INDEX events_deleted_by_created_at ON ONLY feed.events USING btree (topic, "left"((data ->> 'created_at'::text), 27) COLLATE "C", subject COLLATE "C", "position") WHERE (type ~~ '%\_deleted'::text);
CREATE INDEX events_deleted_by_position ON ONLY feed.events USING btree (topic, "position") INCLUDE (subject) WHERE (type ~~ '%\_deleted'::text);
CREATE INDEX events_deleted_by_subject ON ONLY feed.events USING btree (topic, subject COLLATE "C", "position") WHERE (type ~~ '%\_deleted'::text);
CREATE TRIGGER events_append_only BEFORE DELETE OR UPDATE ON feed.events FOR EACH ROW EXECUTE FUNCTION feed.refuse('events_append_only'); -- ENABLE ALWAYS
CREATE TRIGGER events_append_only_truncate BEFORE TRUNCATE ON feed.events FOR EACH STATEMENT EXECUTE FUNCTION feed.refuse('events_append_only'); -- ENABLE ALWAYS
GRANT SELECT ON feed.events TO taskwire_app;
GRANT SELECT ON feed.events TO taskwire_reader;

CREATE TABLE feed.events_1 (
  "position" bigint NOT NULL,
  staged_id bigint NOT NULL,
  topic text NOT NULL,
  type text NOT NULL,
  subject text NOT NULL,
  "time" timestamp with time zone NOT NULL,
  origin text NOT NULL,
  transaction xid8 NOT NULL,
  requestid text,
  data json NOT NULL,
  previous json,
  bytes integer,
  entity text,
  actor json,
  CONSTRAINT events_1_pkey PRIMARY KEY ("position"),
  CONSTRAINT events_1_staged_id_key UNIQUE (staged_id),
  CONSTRAINT events_position_positive CHECK (("position" > 0))
);
COMMENT ON TABLE feed.events_1 IS 'The first partition of the log.';
CREATE INDEX events_1_by_currency ON feed.events_1 USING btree (((data ->> 'currency'::text)), "position") WHERE ((topic = 'currencies'::text) AND (type = 'currency_created'::text));
CREATE INDEX events_1_by_subject ON feed.events_1 USING btree (subject, "position");
CREATE INDEX events_1_by_type ON feed.events_1 USING btree (topic, type, "position");
CREATE INDEX events_1_deleted_by_created_at ON feed.events_1 USING btree (topic, "left"((data ->> 'created_at'::text), 27) COLLATE "C", subject COLLATE "C", "position") WHERE (type ~~ '%\_deleted'::text);
CREATE INDEX events_1_deleted_by_position ON feed.events_1 USING btree (topic, "position") INCLUDE (subject) WHERE (type ~~ '%\_deleted'::text);
CREATE INDEX events_1_deleted_by_subject ON feed.events_1 USING btree (topic, subject COLLATE "C", "position") WHERE (type ~~ '%\_deleted'::text);
CREATE TRIGGER events_append_only BEFORE DELETE OR UPDATE ON feed.events_1 FOR EACH ROW EXECUTE FUNCTION feed.refuse('events_append_only'); -- ENABLE ALWAYS
CREATE TRIGGER events_append_only_truncate BEFORE TRUNCATE ON feed.events_1 FOR EACH STATEMENT EXECUTE FUNCTION feed.refuse('events_append_only'); -- ENABLE ALWAYS

CREATE TABLE feed.last_versions (
  topic text NOT NULL,
  subject text NOT NULL,
  version bigint NOT NULL,
  CONSTRAINT last_versions_pkey PRIMARY KEY (topic, subject)
);
COMMENT ON TABLE feed.last_versions IS 'The last version of entities that were deleted, and 0 for those inserted under an id of the writer''s choice: an entity that comes back under its old id goes on counting from here.';
GRANT SELECT ON feed.last_versions TO taskwire_app;
GRANT SELECT ON feed.last_versions TO taskwire_reader;

CREATE TABLE feed.log (
  only_one boolean DEFAULT true NOT NULL,
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  first_position bigint DEFAULT 1 NOT NULL,
  system_identifier bigint,
  timeline integer,
  database oid,
  sql_hash text,
  server_started timestamp with time zone,
  relation oid,
  sql_version integer,
  partition_size bigint DEFAULT 10000000 NOT NULL,
  floor bigint DEFAULT 0 NOT NULL,
  archived_from bigint,
  CONSTRAINT log_archived_from_positive CHECK ((archived_from > 0)),
  CONSTRAINT log_floor_natural CHECK ((floor >= 0)),
  CONSTRAINT log_is_one_row CHECK (only_one),
  CONSTRAINT log_partition_size_positive CHECK ((partition_size > 0)),
  CONSTRAINT log_pkey PRIMARY KEY (only_one)
);
COMMENT ON TABLE feed.log IS 'Which log this is, in one row. A client holds its position together with `id`, the present epoch of the log: it began at the start of PostgreSQL `server_started`, with this table as `relation`. `first_position` is where the log itself began. The cluster''s system identifier and timeline, and the database, tell when the data has moved to where stored transaction ids mean nothing. `sql_hash` is the content of sql/ that was applied last.';
CREATE TRIGGER log_floor_rises BEFORE UPDATE ON feed.log FOR EACH ROW EXECUTE FUNCTION feed.keep_floor(); -- ENABLE ALWAYS
GRANT SELECT ON feed.log TO taskwire_app;
GRANT SELECT ON feed.log TO taskwire_reader;

CREATE TABLE feed.migrations (
  id integer DEFAULT nextval('feed.migrations_id_seq'::regclass) NOT NULL,
  name character varying(255) NOT NULL,
  run_on timestamp without time zone NOT NULL,
  CONSTRAINT migrations_pkey PRIMARY KEY (id)
);
GRANT SELECT ON feed.migrations TO taskwire_app;
GRANT SELECT ON feed.migrations TO taskwire_reader;

CREATE TABLE feed.staged (
  xid xid8 NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  topic text NOT NULL,
  type text NOT NULL,
  subject text NOT NULL,
  "time" timestamp with time zone NOT NULL,
  origin text NOT NULL,
  requestid text,
  data json NOT NULL,
  previous json,
  bytes integer,
  entity text,
  actor json,
  CONSTRAINT staged_pkey PRIMARY KEY (xid, id),
  CONSTRAINT staged_subject_length CHECK ((octet_length(subject) <= 1000))
);
COMMENT ON TABLE feed.staged IS 'Changes in the transaction that made them, in the order of `id`, before they have a position. Rows stay after they were numbered until feed.clean_staged() takes them away in the background.';
CREATE TRIGGER staged_never_changes BEFORE UPDATE ON feed.staged FOR EACH ROW EXECUTE FUNCTION feed.refuse('staged_never_changes'); -- ENABLE ALWAYS
CREATE TRIGGER staged_never_truncated BEFORE TRUNCATE ON feed.staged FOR EACH STATEMENT EXECUTE FUNCTION feed.refuse('staged_never_truncated'); -- ENABLE ALWAYS
GRANT SELECT ON feed.staged TO taskwire_app;
GRANT SELECT ON feed.staged TO taskwire_reader;

CREATE TABLE feed.topics (
  topic text NOT NULL,
  entity text NOT NULL,
  relation regclass NOT NULL,
  key_column name NOT NULL,
  status_column name,
  versioned boolean DEFAULT false NOT NULL,
  CONSTRAINT topics_entity_format CHECK ((entity ~ '^[a-z][a-z0-9_]{0,62}$'::text)),
  CONSTRAINT topics_entity_key UNIQUE (entity),
  CONSTRAINT topics_entity_not_previous CHECK ((entity <> 'previous'::text)),
  CONSTRAINT topics_pkey PRIMARY KEY (topic),
  CONSTRAINT topics_relation_key UNIQUE (relation),
  CONSTRAINT topics_topic_format CHECK ((topic ~ '^[a-z][a-z0-9_]{0,62}$'::text))
);
COMMENT ON TABLE feed.topics IS 'The watched tables, one row each, written by feed.watch(). With a status_column only a change of that column is an event, and its type is entity_status.';
GRANT SELECT ON feed.topics TO taskwire_app;
GRANT SELECT ON feed.topics TO taskwire_reader;

CREATE TABLE public.currencies (
  id uuid NOT NULL,
  currency text NOT NULL,
  name text NOT NULL,
  nominal integer NOT NULL,
  rate numeric NOT NULL,
  rate_date date NOT NULL,
  source text,
  "timestamp" timestamp with time zone NOT NULL,
  version bigint NOT NULL,
  CONSTRAINT currencies_currency_key UNIQUE (currency),
  CONSTRAINT currencies_pkey PRIMARY KEY (id),
  CONSTRAINT currencies_rate_of_its_day FOREIGN KEY (currency, rate_date) REFERENCES public.currency_rates(currency, rate_date) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT currencies_rules CHECK (public.currencies_rules(currency, name, nominal, rate, rate_date, source, "timestamp", version))
);
COMMENT ON TABLE public.currencies IS 'The newest rate of each currency, in roubles per one unit. id (UUIDv7), timestamp (when the rate last changed), version, and what a writer leaves out (name, nominal, rate_date) are made by the trigger currencies_before_write; every change becomes an event of the topic currencies. `nominal` is how many units the bank quotes; the rate is of one.';
CREATE TRIGGER "00_feed_capture" AFTER INSERT OR DELETE OR UPDATE ON public.currencies FOR EACH ROW EXECUTE FUNCTION feed.capture('currencies', 'currency', 'id'); -- ENABLE ALWAYS
CREATE TRIGGER "00_feed_capture_truncate" BEFORE TRUNCATE ON public.currencies FOR EACH STATEMENT EXECUTE FUNCTION feed.capture_truncate('currencies', 'currency', 'id'); -- ENABLE ALWAYS
CREATE TRIGGER currencies_before_write BEFORE INSERT OR UPDATE ON public.currencies FOR EACH ROW EXECUTE FUNCTION public.currencies_before_write(); -- ENABLE ALWAYS
CREATE TRIGGER currencies_keep_rate AFTER INSERT OR UPDATE ON public.currencies FOR EACH ROW EXECUTE FUNCTION public.currencies_keep_rate(); -- ENABLE ALWAYS
GRANT DELETE, INSERT, SELECT, UPDATE ON public.currencies TO taskwire_app;
GRANT SELECT ON public.currencies TO taskwire_reader;

CREATE TABLE public.currency_rates (
  currency text NOT NULL,
  rate_date date NOT NULL,
  rate numeric NOT NULL,
  nominal integer DEFAULT 1 NOT NULL,
  quoted_rate numeric,
  quoted_nominal integer,
  quoted_name text,
  CONSTRAINT currency_rates_pkey PRIMARY KEY (currency, rate_date),
  CONSTRAINT currency_rates_rules CHECK (public.currency_rates_rules(currency, rate_date, rate, nominal, quoted_rate, quoted_nominal, quoted_name))
);
COMMENT ON TABLE public.currency_rates IS 'What a unit of each currency was worth on each day, the days before those in `currencies` too. The trigger currencies_keep_rate writes what `currencies` says; the rates job adds older days. `quoted_rate`, `quoted_nominal` and `quoted_name` are what the bank last said of the day; `rate` is another where it was changed elsewhere since. It outlives its currency.';
GRANT INSERT, SELECT, UPDATE ON public.currency_rates TO taskwire_app;
GRANT SELECT ON public.currency_rates TO taskwire_reader;

CREATE TABLE public.idempotency_keys (
  key text NOT NULL,
  request bytea NOT NULL,
  status integer NOT NULL,
  headers jsonb NOT NULL,
  body text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  token text DEFAULT ''::text NOT NULL,
  CONSTRAINT idempotency_keys_headers_object CHECK ((jsonb_typeof(headers) = 'object'::text)),
  CONSTRAINT idempotency_keys_key_length CHECK (((char_length(key) >= 1) AND (char_length(key) <= 255))),
  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key, token),
  CONSTRAINT idempotency_keys_request_digest CHECK ((octet_length(request) = 32))
);
COMMENT ON TABLE public.idempotency_keys IS 'What was answered to requests with an Idempotency-Key, written in the transaction of what they changed. `request` is the SHA-256 of the request. After 24 hours a row counts for nothing, and later requests with a key take it away.';
CREATE INDEX idempotency_keys_by_created_at ON public.idempotency_keys USING btree (created_at);
GRANT DELETE, INSERT, SELECT, UPDATE ON public.idempotency_keys TO taskwire_app;

CREATE TABLE public.imports (
  source text NOT NULL,
  external_id text NOT NULL,
  item jsonb NOT NULL,
  CONSTRAINT imports_item_object CHECK ((jsonb_typeof(item) = 'object'::text)),
  CONSTRAINT imports_pkey PRIMARY KEY (source, external_id)
);
COMMENT ON TABLE public.imports IS 'What the generator last read of each item of each source. It tells a field that the source changed from one that a person edited, and a task that a person deleted from one that was never there.';
GRANT DELETE, INSERT, SELECT, UPDATE ON public.imports TO taskwire_app;
GRANT SELECT ON public.imports TO taskwire_reader;

CREATE TABLE public.rejected_messages (
  received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
  subject text NOT NULL,
  payload bytea NOT NULL,
  payload_size integer NOT NULL,
  reason text NOT NULL,
  stream text NOT NULL,
  sequence bigint NOT NULL,
  sent_at timestamp with time zone NOT NULL,
  CONSTRAINT rejected_messages_payload_kept CHECK ((octet_length(payload) = LEAST(payload_size, 65536))),
  CONSTRAINT rejected_messages_pkey PRIMARY KEY (stream, sequence, sent_at),
  CONSTRAINT rejected_messages_reason_length CHECK (((char_length(reason) >= 1) AND (char_length(reason) <= 1000))),
  CONSTRAINT rejected_messages_subject_length CHECK (((char_length(subject) >= 1) AND (char_length(subject) <= 500)))
);
COMMENT ON TABLE public.rejected_messages IS 'Messages from NATS that could not be taken, each once, and why, kept for 400 days. `payload` is the bytes that came, the first 64 KiB of `payload_size`. A message is known by its stream, its sequence there, and when the stream got it.';
CREATE INDEX rejected_messages_received_at ON public.rejected_messages USING btree (received_at);
GRANT INSERT, SELECT ON public.rejected_messages TO taskwire_app;
GRANT SELECT ON public.rejected_messages TO taskwire_reader;

CREATE TABLE public.runs (
  id uuid NOT NULL,
  kind text NOT NULL,
  status text DEFAULT 'queued'::text NOT NULL,
  attempt integer DEFAULT 1 NOT NULL,
  fetched integer DEFAULT 0 NOT NULL,
  created integer DEFAULT 0 NOT NULL,
  updated integer DEFAULT 0 NOT NULL,
  unchanged integer DEFAULT 0 NOT NULL,
  rejected integer DEFAULT 0 NOT NULL,
  rejections jsonb DEFAULT '[]'::jsonb NOT NULL,
  error text,
  queued_at timestamp with time zone DEFAULT now() NOT NULL,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  CONSTRAINT runs_pkey PRIMARY KEY (id),
  CONSTRAINT runs_rules CHECK (public.runs_rules(kind, status, attempt, fetched, created, updated, unchanged, rejected, rejections, error, finished_at))
);
COMMENT ON TABLE public.runs IS 'Runs of the background jobs, one row each, kept for 400 days. A change of status is an event of the topic runs. `rejections` names the items that broke a rule, the first hundred: [{"source", "external_id", "reason"}].';
CREATE INDEX runs_by_kind ON public.runs USING btree (kind, id);
CREATE UNIQUE INDEX runs_one_active_of_a_kind ON public.runs USING btree (kind) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));
CREATE TRIGGER "00_feed_capture" AFTER INSERT OR DELETE OR UPDATE ON public.runs FOR EACH ROW EXECUTE FUNCTION feed.capture('runs', 'run', 'id', 'status', '{"running": "started"}'); -- ENABLE ALWAYS
CREATE TRIGGER "00_feed_capture_truncate" BEFORE TRUNCATE ON public.runs FOR EACH STATEMENT EXECUTE FUNCTION feed.capture_truncate('runs', 'run', 'id', 'status', '{"running": "started"}'); -- ENABLE ALWAYS
CREATE TRIGGER runs_before_write BEFORE INSERT OR UPDATE ON public.runs FOR EACH ROW EXECUTE FUNCTION public.runs_before_write(); -- ENABLE ALWAYS
CREATE TRIGGER runs_kept BEFORE DELETE ON public.runs FOR EACH ROW EXECUTE FUNCTION public.keep_runs(); -- ENABLE ALWAYS
CREATE TRIGGER runs_kept_truncate BEFORE TRUNCATE ON public.runs FOR EACH STATEMENT EXECUTE FUNCTION feed.refuse('runs_kept'); -- ENABLE ALWAYS
GRANT INSERT, SELECT, UPDATE ON public.runs TO taskwire_app;
GRANT SELECT ON public.runs TO taskwire_reader;

CREATE TABLE public.tasks (
  id uuid NOT NULL,
  title text NOT NULL,
  description text,
  status text DEFAULT 'todo'::text NOT NULL,
  priority text DEFAULT 'normal'::text NOT NULL,
  due_at timestamp with time zone,
  labels text[] DEFAULT '{}'::text[] NOT NULL,
  source text,
  external_id text,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  completed_at timestamp with time zone,
  version bigint NOT NULL,
  CONSTRAINT tasks_pkey PRIMARY KEY (id),
  CONSTRAINT tasks_rules CHECK (public.tasks_rules(title, description, status, priority, due_at, labels, source, external_id, created_at, completed_at, version)),
  CONSTRAINT tasks_source_external_id_key UNIQUE (source, external_id)
);
COMMENT ON TABLE public.tasks IS 'The TODO list. id (UUIDv7), created_at, updated_at, completed_at and version are made by the trigger tasks_before_write; every change becomes an event of the topic tasks.';
CREATE INDEX tasks_by_created_at ON public.tasks USING btree (created_at, id);
CREATE INDEX tasks_by_due_at ON public.tasks USING btree (due_at, id);
CREATE INDEX tasks_by_label ON public.tasks USING gin (labels) WHERE (labels <> '{}'::text[]);
CREATE INDEX tasks_by_priority ON public.tasks USING btree (public.priority_rank(priority), id);
CREATE INDEX tasks_by_search_words ON public.tasks USING gin (public.task_search_words(title, description)) WITH (gin_pending_list_limit='512');
CREATE INDEX tasks_by_title ON public.tasks USING btree (title COLLATE "C", id);
CREATE INDEX tasks_by_updated_at ON public.tasks USING btree (updated_at, id);
CREATE TRIGGER "00_feed_capture" AFTER INSERT OR DELETE OR UPDATE ON public.tasks FOR EACH ROW EXECUTE FUNCTION feed.capture('tasks', 'task', 'id'); -- ENABLE ALWAYS
CREATE TRIGGER "00_feed_capture_truncate" BEFORE TRUNCATE ON public.tasks FOR EACH STATEMENT EXECUTE FUNCTION feed.capture_truncate('tasks', 'task', 'id'); -- ENABLE ALWAYS
CREATE TRIGGER tasks_before_write BEFORE INSERT OR UPDATE ON public.tasks FOR EACH ROW EXECUTE FUNCTION public.tasks_before_write(); -- ENABLE ALWAYS
GRANT DELETE, INSERT, SELECT, UPDATE ON public.tasks TO taskwire_app;
GRANT SELECT ON public.tasks TO taskwire_reader;

CREATE TABLE public.tokens (
  id text NOT NULL,
  hash bytea NOT NULL,
  name text NOT NULL,
  scopes text[] NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  last_used_at timestamp with time zone,
  CONSTRAINT tokens_expires_later CHECK ((expires_at > created_at)),
  CONSTRAINT tokens_hash_digest CHECK ((octet_length(hash) = 32)),
  CONSTRAINT tokens_id_form CHECK (((id COLLATE "C") ~ '^[0-9A-Za-z]{8}$'::text)),
  CONSTRAINT tokens_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 100))),
  CONSTRAINT tokens_name_printable CHECK (((name = btrim(name)) AND (name !~ '[[:cntrl:]\u00AD\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF]'::text))),
  CONSTRAINT tokens_pkey PRIMARY KEY (id),
  CONSTRAINT tokens_scopes_known CHECK (((cardinality(scopes) > 0) AND (array_position(scopes, NULL::text) IS NULL) AND (scopes <@ ARRAY['tasks:read'::text, 'tasks:write'::text, 'currencies:read'::text, 'currencies:write'::text, 'generator:run'::text, 'events:read'::text, 'admin'::text])))
);
COMMENT ON TABLE public.tokens IS 'Who may ask, where AUTH=token: a token is known by its SHA-256 alone. Written by its owner, by npm run token or by hand; the service reads it, and every instance hears of a change at once. It is no topic: nothing of it is in the log.';
CREATE TRIGGER tokens_before_update BEFORE UPDATE ON public.tokens FOR EACH ROW EXECUTE FUNCTION public.tokens_before_update(); -- ENABLE ALWAYS
CREATE TRIGGER tokens_ring AFTER INSERT OR DELETE OR UPDATE OF hash, name, scopes, expires_at, revoked_at OR TRUNCATE ON public.tokens FOR EACH STATEMENT EXECUTE FUNCTION public.tokens_ring(); -- ENABLE ALWAYS
GRANT SELECT ON public.tokens TO taskwire_app;

CREATE FUNCTION feed.add_partitions(through bigint) RETURNS integer
  LANGUAGE plpgsql VOLATILE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.base_type(of_type oid) RETURNS oid
  LANGUAGE sql STABLE PARALLEL SAFE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.begin_epoch() RETURNS uuid
  LANGUAGE sql VOLATILE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.capture() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.capture_truncate() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET constraint_exclusion=off SET row_security=off SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.channel(purpose text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION feed.channel(text) TO taskwire_app;

CREATE FUNCTION feed.clean_staged(after_xid xid8, after_id bigint, most integer, OUT last_xid xid8, OUT last_id bigint) RETURNS record
  LANGUAGE sql VOLATILE SECURITY DEFINER SET enable_bitmapscan=off SET enable_seqscan=off SET enable_sort=off SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.clean_staged(xid8,bigint,integer) TO taskwire_app;

CREATE FUNCTION feed.closed_functions() RETURNS SETOF regprocedure
  LANGUAGE sql STABLE SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.closed_functions() TO taskwire_app;

CREATE FUNCTION feed.closed_queue() RETURNS SETOF regclass
  LANGUAGE sql STABLE SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.closed_queue() TO taskwire_app;

CREATE FUNCTION feed.closed_tables() RETURNS TABLE(relation text, role text, commands text)
  LANGUAGE sql STABLE SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.closed_tables() TO taskwire_app;

CREATE FUNCTION feed.cluster(OUT system_identifier bigint, OUT timeline integer, OUT database oid) RETURNS record
  LANGUAGE sql VOLATILE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.compact_json(value json) RETURNS json
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION feed.compact_json(json) TO taskwire_app;
GRANT EXECUTE ON FUNCTION feed.compact_json(json) TO taskwire_reader;

CREATE FUNCTION feed.drift() RETURNS TABLE(topic text, fault text, mend boolean)
  LANGUAGE sql STABLE SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.drift() TO taskwire_app;

CREATE FUNCTION feed.end_strangers(purpose text) RETURNS TABLE(pid integer, role text, application text, ended boolean)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.end_strangers(text) TO taskwire_app;

CREATE FUNCTION feed.end_stuck_leader(seen_leader integer, seen_batch bigint, OUT leader integer, OUT batch bigint, OUT ended boolean) RETURNS record
  LANGUAGE plpgsql VOLATILE SET enable_seqscan=off SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.end_stuck_leader(integer,bigint) TO taskwire_app;

CREATE FUNCTION feed.ensure_trigger(relation regclass, name name, timing text, level text, call text) RETURNS void
  LANGUAGE plpgsql VOLATILE SET quote_all_identifiers=off SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.event_type(entity text, status text, verbs json, otherwise text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;

CREATE FUNCTION feed.fold(of_topic text) RETURNS TABLE(topic text, subject text, type text, data json)
  LANGUAGE sql STABLE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.foreign_cast(of_type oid) RETURNS regtype
  LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.foreign_code(relation regclass) RETURNS regprocedure
  LANGUAGE sql STABLE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.forget_batches(most integer) RETURNS integer
  LANGUAGE sql VOLATILE SET enable_seqscan=off SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.is_working(backend integer) RETURNS boolean
  LANGUAGE sql VOLATILE SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.is_working(integer) TO taskwire_app;

CREATE FUNCTION feed.keep_batches() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.keep_floor() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.key_of(relation regclass) RETURNS TABLE(name name, type oid, operators oid, "collation" oid, is_immediate boolean)
  LANGUAGE sql STABLE;
GRANT EXECUTE ON FUNCTION feed.key_of(regclass) TO taskwire_app;

CREATE FUNCTION feed.last_of_entities(positions bigint[], types text[], through bigint) RETURNS TABLE("position" bigint)
  LANGUAGE plpgsql STABLE SET enable_bitmapscan=off SET enable_incremental_sort=off SET enable_seqscan=off SET enable_sort=off SET jit=off SET max_parallel_workers_per_gather=0 SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.last_of_entities(bigint[],text[],bigint) TO taskwire_app;

CREATE FUNCTION feed.let_go(partition oid) RETURNS text
  LANGUAGE plpgsql VOLATILE SET lock_timeout=2s SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.list_past(of_topic text, at bigint, after_created_at text, after_subject text, most integer) RETURNS TABLE(subject text, created_at text, document text)
  LANGUAGE plpgsql VOLATILE SET enable_bitmapscan=off SET enable_seqscan=off SET jit=off SET max_parallel_workers_per_gather=0 SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.list_past(text,bigint,text,text,integer) TO taskwire_app;

CREATE FUNCTION feed.lock_key(purpose text) RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION feed.lock_key(text) TO taskwire_app;

CREATE FUNCTION feed.make_room(staged boolean) RETURNS integer
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.make_room(boolean) TO taskwire_app;

CREATE FUNCTION feed.most_bytes() RETURNS integer
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION feed.most_bytes() TO taskwire_app;

CREATE FUNCTION feed.new_log() RETURNS uuid
  LANGUAGE plpgsql VOLATILE SET lock_timeout=5s SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.next_version(topic text, subject text) RETURNS bigint
  LANGUAGE sql VOLATILE;

CREATE FUNCTION feed.note_archived(first bigint, last bigint, log uuid, bytes bigint, sha256 bytea) RETURNS void
  LANGUAGE sql VOLATILE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.partitions() RETURNS TABLE(relation regclass, first bigint, last bigint, is_detached boolean)
  LANGUAGE sql STABLE SET quote_all_identifiers=off SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.partitions() TO taskwire_app;

CREATE FUNCTION feed.passed_over() RETURNS TABLE(topic text, subject text, fault text)
  LANGUAGE sql STABLE SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.passed_over() TO taskwire_app;
GRANT EXECUTE ON FUNCTION feed.passed_over() TO taskwire_reader;

CREATE FUNCTION feed.positions_of_types(topics text[], types text[], after bigint, through bigint, most integer) RETURNS TABLE("position" bigint)
  LANGUAGE plpgsql STABLE SET enable_bitmapscan=off SET enable_incremental_sort=off SET enable_seqscan=off SET enable_sort=off SET jit=off SET max_parallel_workers_per_gather=0 SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.positions_of_types(text[],text[],bigint,bigint,integer) TO taskwire_app;

CREATE FUNCTION feed.prove(after bigint, through bigint) RETURNS TABLE("position" bigint, fault text)
  LANGUAGE sql STABLE SET enable_bitmapscan=off SET enable_hashagg=off SET enable_seqscan=off SET jit=off SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.prove(bigint,bigint) TO taskwire_app;
GRANT EXECUTE ON FUNCTION feed.prove(bigint,bigint) TO taskwire_reader;

CREATE FUNCTION feed.raise_floor(age interval, archived boolean) RETURNS bigint
  LANGUAGE sql VOLATILE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.readable_json(value json) RETURNS json
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE;

CREATE FUNCTION feed.refuse() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.refuse_large(topic text, subject text, bytes bigint) RETURNS void
  LANGUAGE plpgsql VOLATILE;

CREATE FUNCTION feed.remember_version(topic text, data json, key_column text) RETURNS void
  LANGUAGE plpgsql VOLATILE;

CREATE FUNCTION feed.render(currency public.currencies) RETURNS json
  LANGUAGE sql STABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION feed.render(public.currencies) TO taskwire_app;
GRANT EXECUTE ON FUNCTION feed.render(public.currencies) TO taskwire_reader;

CREATE FUNCTION feed.render(entity anyelement) RETURNS json
  LANGUAGE plpgsql STABLE PARALLEL SAFE SET DateStyle=ISO, YMD SET IntervalStyle=iso_8601 SET TimeZone=UTC SET bytea_output=hex SET extra_float_digits=1 SET lc_monetary=C SET quote_all_identifiers=off SET search_path=pg_catalog, pg_temp SET xmlbinary=base64;

CREATE FUNCTION feed.render(run public.runs) RETURNS json
  LANGUAGE sql STABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION feed.render(public.runs) TO taskwire_app;
GRANT EXECUTE ON FUNCTION feed.render(public.runs) TO taskwire_reader;

CREATE FUNCTION feed.render(task public.tasks) RETURNS json
  LANGUAGE sql STABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION feed.render(public.tasks) TO taskwire_app;
GRANT EXECUTE ON FUNCTION feed.render(public.tasks) TO taskwire_reader;

CREATE FUNCTION feed.render_value(value json, of_type oid) RETURNS json
  LANGUAGE plpgsql STABLE PARALLEL SAFE;

CREATE FUNCTION feed.rfc3339(moment timestamp with time zone) RETURNS text
  LANGUAGE sql STABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION feed.rfc3339(timestamp with time zone) TO taskwire_app;
GRANT EXECUTE ON FUNCTION feed.rfc3339(timestamp with time zone) TO taskwire_reader;

CREATE FUNCTION feed.sequence_changes(most integer) RETURNS TABLE("position" bigint, topic text, type text, subject text, "time" text, origin text, transaction text, requestid text, data text, previous text, entity text, last_position bigint)
  LANGUAGE sql VOLATILE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.sequence_events("the database is of a newer version" integer) RETURNS TABLE("position" bigint, topic text, type text, subject text, "time" text, origin text, transaction text, requestid text, data text, previous text, last_position bigint)
  LANGUAGE sql VOLATILE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.sequence_staged(most integer) RETURNS TABLE("position" bigint, topic text, type text, subject text, "time" text, origin text, actor text, transaction text, requestid text, data text, previous text, entity text, last_position bigint)
  LANGUAGE sql VOLATILE SECURITY DEFINER SET enable_seqscan=off SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.sequence_staged(integer) TO taskwire_app;

CREATE FUNCTION feed.service_name() RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION feed.service_name() TO taskwire_app;

CREATE FUNCTION feed.snapshot_page(topic text, at bigint, after_subject text, most integer, subjects text[] DEFAULT NULL::text[]) RETURNS TABLE(subject text, document text)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET constraint_exclusion=off SET enable_bitmapscan=off SET enable_seqscan=off SET enable_sort=off SET jit=off SET lc_monetary=C SET max_parallel_workers_per_gather=0 SET quote_all_identifiers=off SET row_security=off SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.snapshot_page(text,bigint,text,integer,text[]) TO taskwire_app;

CREATE FUNCTION feed.stage(topic text, type text, subject text, data json, previous json, entity text DEFAULT NULL::text) RETURNS void
  LANGUAGE plpgsql VOLATILE;

CREATE FUNCTION feed.take_up_log() RETURNS uuid
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.take_up_log() TO taskwire_app;

CREATE FUNCTION feed.trimmed(value text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;

CREATE FUNCTION feed.unnumbered(of_topic text) RETURNS TABLE(xid xid8, id bigint, subject text)
  LANGUAGE sql STABLE SET enable_seqscan=off SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.unnumbered(text) TO taskwire_app;

CREATE FUNCTION feed.unwatch(topic text) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.unwatchable(relation regclass, key_column name) RETURNS text
  LANGUAGE sql STABLE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION feed.uuid_v7() RETURNS uuid
  LANGUAGE sql VOLATILE PARALLEL SAFE;

CREATE FUNCTION feed.verify() RETURNS TABLE(topic text, subject text, fault text)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET constraint_exclusion=off SET row_security=off SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.verify() TO taskwire_app;
GRANT EXECUTE ON FUNCTION feed.verify() TO taskwire_reader;

CREATE FUNCTION feed.wanted_rights() RETURNS TABLE(role name, privileges text[], kind text, object text)
  LANGUAGE sql STABLE SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION feed.wanted_rights() TO taskwire_app;

CREATE FUNCTION feed.watch(relation regclass, topic text, entity text, key_column name DEFAULT 'id'::name, status_column name DEFAULT NULL::name, status_verbs json DEFAULT NULL::json, versioned boolean DEFAULT false) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION public.add_run_job(run public.runs) RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION public.apply_batch(of_topic text, columns text[], operations jsonb) RETURNS SETOF text
  LANGUAGE plpgsql VOLATILE SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION public.apply_batch(text,text[],jsonb) TO taskwire_app;

CREATE FUNCTION public.broken_currency_rule(currency text, name text, nominal integer, rate numeric, rate_date date, source text, "timestamp" timestamp with time zone, version bigint) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION public.broken_currency_rule(text,text,integer,numeric,date,text,timestamp with time zone,bigint) TO PUBLIC;

CREATE FUNCTION public.broken_rate_rule(currency text, rate_date date, rate numeric, nominal integer, quoted_rate numeric, quoted_nominal integer, quoted_name text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION public.broken_rate_rule(text,date,numeric,integer,numeric,integer,text) TO PUBLIC;

CREATE FUNCTION public.broken_run_rule(kind text, status text, attempt integer, fetched integer, created integer, updated integer, unchanged integer, rejected integer, rejections jsonb, error text, finished_at timestamp with time zone) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION public.broken_run_rule(text,text,integer,integer,integer,integer,integer,integer,jsonb,text,timestamp with time zone) TO PUBLIC;

CREATE FUNCTION public.broken_task_rule(title text, description text, status text, priority text, due_at timestamp with time zone, labels text[], source text, external_id text, created_at timestamp with time zone, completed_at timestamp with time zone, version bigint) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION public.broken_task_rule(text,text,text,text,timestamp with time zone,text[],text,text,timestamp with time zone,timestamp with time zone,bigint) TO PUBLIC;

CREATE FUNCTION public.claim_idempotency_key(wanted text, of_request bytea, of_token text DEFAULT ''::text) RETURNS TABLE(outcome text, status integer, headers jsonb, body text)
  LANGUAGE plpgsql VOLATILE SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION public.claim_idempotency_key(text,bytea,text) TO taskwire_app;

CREATE FUNCTION public.convert_currency(of_amount numeric, from_code text, to_code text, OUT amount text, OUT from_rate text, OUT from_date text, OUT to_rate text, OUT to_date text) RETURNS record
  LANGUAGE sql STABLE PARALLEL SAFE SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION public.convert_currency(numeric,text,text) TO PUBLIC;
GRANT EXECUTE ON FUNCTION public.convert_currency(numeric,text,text) TO taskwire_app;

CREATE FUNCTION public.count_distinct(list text[]) RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION public.count_distinct(text[]) TO PUBLIC;

CREATE FUNCTION public.currencies_before_write() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION public.currencies_keep_rate() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION public.currencies_rules(currency text, name text, nominal integer, rate numeric, rate_date date, source text, "timestamp" timestamp with time zone, version bigint) RETURNS boolean
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION public.currencies_rules(text,text,integer,numeric,date,text,timestamp with time zone,bigint) TO PUBLIC;

CREATE FUNCTION public.currency_rates_rules(currency text, rate_date date, rate numeric, nominal integer, quoted_rate numeric, quoted_nominal integer, quoted_name text) RETURNS boolean
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION public.currency_rates_rules(text,date,numeric,integer,numeric,integer,text) TO PUBLIC;

CREATE FUNCTION public.hand_back_run(unfinished uuid, of_attempt integer) RETURNS boolean
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION public.hand_back_run(uuid,integer) TO taskwire_app;

CREATE FUNCTION public.import_rates(from_source text, of_date date, entries jsonb, may_create boolean, OUT created integer, OUT updated integer, OUT unchanged integer, OUT kept integer) RETURNS record
  LANGUAGE plpgsql VOLATILE SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION public.import_rates(text,date,jsonb,boolean) TO PUBLIC;
GRANT EXECUTE ON FUNCTION public.import_rates(text,date,jsonb,boolean) TO taskwire_app;

CREATE FUNCTION public.import_task(from_source text, item_id text, said_now jsonb) RETURNS text
  LANGUAGE plpgsql VOLATILE SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION public.import_task(text,text,jsonb) TO PUBLIC;
GRANT EXECUTE ON FUNCTION public.import_task(text,text,jsonb) TO taskwire_app;

CREATE FUNCTION public.keep_runs() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION public.keep_runs() TO PUBLIC;

CREATE FUNCTION public.lengths_within(list text[], shortest integer, longest integer) RETURNS boolean
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION public.lengths_within(text[],integer,integer) TO PUBLIC;

CREATE FUNCTION public.note_token_use(ids text[], seconds double precision[]) RETURNS void
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION public.note_token_use(text[],double precision[]) TO taskwire_app;

CREATE FUNCTION public.priority_rank(priority text) RETURNS integer
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION public.priority_rank(text) TO PUBLIC;

CREATE FUNCTION public.queue_first_run(wanted text) RETURNS boolean
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION public.queue_first_run(text) TO taskwire_app;

CREATE FUNCTION public.queue_run(wanted text) RETURNS public.runs
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION public.queue_run(text) TO taskwire_app;

CREATE FUNCTION public.quoted_rates(entries jsonb) RETURNS TABLE(currency text, name text, nominal integer, rate numeric)
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION public.quoted_rates(jsonb) TO PUBLIC;
GRANT EXECUTE ON FUNCTION public.quoted_rates(jsonb) TO taskwire_app;

CREATE FUNCTION public.quotient(dividend numeric, divisor numeric) RETURNS numeric
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION public.quotient(numeric,numeric) TO PUBLIC;
GRANT EXECUTE ON FUNCTION public.quotient(numeric,numeric) TO taskwire_app;

CREATE FUNCTION public.requeue_run(run public.runs) RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION public.restore_task(wanted uuid) RETURNS SETOF public.tasks
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION public.restore_task(uuid) TO taskwire_app;

CREATE FUNCTION public.revive_run(suspect uuid) RETURNS text
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION public.run_is_forgotten(run public.runs) RETURNS boolean
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION public.runs_before_write() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION public.runs_rules(kind text, status text, attempt integer, fetched integer, created integer, updated integer, unchanged integer, rejected integer, rejections jsonb, error text, finished_at timestamp with time zone) RETURNS boolean
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION public.runs_rules(text,text,integer,integer,integer,integer,integer,integer,jsonb,text,timestamp with time zone) TO PUBLIC;

CREATE FUNCTION public.search_text(value text) RETURNS text
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT;
GRANT EXECUTE ON FUNCTION public.search_text(text) TO PUBLIC;

CREATE FUNCTION public.sweep_runs() RETURNS TABLE(run_id uuid, finding text)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;
GRANT EXECUTE ON FUNCTION public.sweep_runs() TO taskwire_app;

CREATE FUNCTION public.task_search_words(title text, description text) RETURNS tsvector
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION public.task_search_words(text,text) TO PUBLIC;

CREATE FUNCTION public.task_words(title text, description text) RETURNS tsvector
  LANGUAGE sql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION public.task_words(text,text) TO PUBLIC;

CREATE FUNCTION public.tasks_before_write() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION public.tasks_rules(title text, description text, status text, priority text, due_at timestamp with time zone, labels text[], source text, external_id text, created_at timestamp with time zone, completed_at timestamp with time zone, version bigint) RETURNS boolean
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION public.tasks_rules(text,text,text,text,timestamp with time zone,text[],text,text,timestamp with time zone,timestamp with time zone,bigint) TO PUBLIC;

CREATE FUNCTION public.tokens_before_update() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SET search_path=pg_catalog, pg_temp;

CREATE FUNCTION public.tokens_ring() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SET search_path=pg_catalog, pg_temp;
