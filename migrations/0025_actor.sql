-- Up Migration

-- In the order in which the leader locks them.
ALTER TABLE feed.staged ADD COLUMN actor json;
ALTER TABLE feed.events ADD COLUMN actor json;
COMMENT ON TABLE feed.events IS
  'The log: every committed change, numbered 1, 2, 3, … without a gap. Only feed.sequence_staged() and feed.new_log() append '
  'to it. In partitions by position, of log.partition_size positions each; more from the twelfth on, so that there are '
  'never many. A staged row can be numbered once only: each partition has its own events_…_staged_id_key, and staged ids '
  'are numbered once by the condition of feed.sequence_staged() and the primary key.';
COMMENT ON COLUMN feed.staged.actor IS 'Id and name of the token that a REST client made the change with.';
COMMENT ON COLUMN feed.events.actor IS 'Id and name of the token that a REST client made the change with.';
