-- Up Migration

-- Files that were copied and put back keep everything that the log could be told by: the cluster's identifier, its
-- timeline, the log's id. A start of PostgreSQL they do not keep, so each start begins an epoch of the log.

ALTER TABLE feed.log ADD COLUMN server_started timestamptz;
ALTER TABLE feed.log ADD COLUMN relation oid;
COMMENT ON TABLE feed.log IS
  'Which log this is, in one row. A client holds its position together with `id`, the present epoch of the log: it began '
  'at the start of PostgreSQL `server_started`, with this table as `relation`. `first_position` is where the log itself '
  'began. The cluster''s system identifier and timeline, and the database, tell when the data has moved to where stored '
  'transaction ids mean nothing. `sql_hash` is the content of sql/ that was applied last.';

CREATE TABLE feed.epochs (
  id uuid NOT NULL,
  last_position bigint NOT NULL,
  ended_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT epochs_pkey PRIMARY KEY (id),
  CONSTRAINT epochs_last_position_natural CHECK (last_position >= 0)
);
COMMENT ON TABLE feed.epochs IS
  'The earlier epochs of this log, each with the last position that it has here. A client of one of them goes on if its '
  'position is not beyond that one; else it has seen what this log has lost. One row for each start of PostgreSQL on '
  'which events were numbered, some 60 bytes; feed.new_log() takes them away.';
