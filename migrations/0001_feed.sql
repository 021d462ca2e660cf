-- Up Migration

-- The event path's own tables. Triggers write `staged` in the writer's transaction, the sequencer copies
-- what has committed to `events` and gives it positions. Both are append-only; see sql/functions.

CREATE SCHEMA IF NOT EXISTS feed; -- there already: it holds the list of migrations

CREATE TABLE feed.log (
  only_one boolean NOT NULL DEFAULT true,
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  first_position bigint NOT NULL DEFAULT 1,
  system_identifier bigint,
  timeline integer,
  database oid,
  sql_hash text,
  CONSTRAINT log_pkey PRIMARY KEY (only_one),
  CONSTRAINT log_is_one_row CHECK (only_one)
);
COMMENT ON TABLE feed.log IS
  'Which log this is, in one row. A client holds its position together with `id`, under which the log began at '
  '`first_position`. The cluster''s system identifier and timeline, and the database, tell when the data has moved to '
  'where stored transaction ids mean nothing. `sql_hash` is the content of sql/ that was applied last.';

CREATE TABLE feed.topics (
  topic text NOT NULL,
  entity text NOT NULL,
  relation regclass NOT NULL,
  key_column name NOT NULL,
  status_column name,
  CONSTRAINT topics_pkey PRIMARY KEY (topic),
  CONSTRAINT topics_relation_key UNIQUE (relation),
  CONSTRAINT topics_entity_key UNIQUE (entity),
  CONSTRAINT topics_topic_format CHECK (topic ~ '^[a-z][a-z0-9_]{0,62}$'),
  CONSTRAINT topics_entity_format CHECK (entity ~ '^[a-z][a-z0-9_]{0,62}$')
);
COMMENT ON TABLE feed.topics IS
  'The watched tables, one row each, written by feed.watch(). With a status_column only a change of that column '
  'is an event, and its type is entity_status.';

CREATE TABLE feed.staged (
  xid xid8 NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) NOT NULL,
  topic text NOT NULL,
  type text NOT NULL,
  subject text NOT NULL,
  "time" timestamptz NOT NULL,
  origin text NOT NULL,
  requestid text,
  data json NOT NULL,
  previous json,
  CONSTRAINT staged_pkey PRIMARY KEY (xid, id)
);
COMMENT ON TABLE feed.staged IS
  'Changes in the transaction that made them, in the order of `id`, before they have a position. Rows stay after '
  'they were numbered until feed.clean_staged() takes them away in the background.';

CREATE TABLE feed.events (
  "position" bigint NOT NULL,
  staged_id bigint NOT NULL,
  topic text NOT NULL,
  type text NOT NULL,
  subject text NOT NULL,
  "time" timestamptz NOT NULL,
  origin text NOT NULL,
  transaction xid8 NOT NULL,
  requestid text,
  data json NOT NULL,
  previous json,
  CONSTRAINT events_pkey PRIMARY KEY ("position"),
  CONSTRAINT events_staged_id_key UNIQUE (staged_id),
  CONSTRAINT events_position_positive CHECK ("position" > 0)
);
COMMENT ON TABLE feed.events IS
  'The log: every committed change, numbered 1, 2, 3, … without a gap. Only feed.sequence_events() appends to it. '
  'A staged row can be numbered once only: events_staged_id_key.';

CREATE TABLE feed.event_batches (
  id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) NOT NULL,
  last_position bigint NOT NULL,
  snapshot pg_snapshot NOT NULL,
  at timestamptz NOT NULL,
  CONSTRAINT event_batches_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE feed.event_batches IS
  'One row per batch of the sequencer: the last position it gave, the snapshot it saw, and when. What the next '
  'batch numbers is the difference of two snapshots; `at` turns a time into a position.';

-- Everything is new to a snapshot that has seen no transaction at all.
INSERT INTO feed.event_batches (last_position, snapshot, at) VALUES (0, '1:1:', now());
INSERT INTO feed.log (only_one) VALUES (true);

CREATE TABLE feed.last_versions (
  topic text NOT NULL,
  subject text NOT NULL,
  version bigint NOT NULL,
  CONSTRAINT last_versions_pkey PRIMARY KEY (topic, subject)
);
COMMENT ON TABLE feed.last_versions IS
  'The last version of entities that were deleted, and 0 for those inserted under an id of the writer''s choice: '
  'an entity that comes back under its old id goes on counting from here.';
