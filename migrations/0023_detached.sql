-- Up Migration

CREATE TABLE feed.detached (
  relation oid NOT NULL,
  CONSTRAINT detached_pkey PRIMARY KEY (relation)
);
COMMENT ON TABLE feed.detached IS
  'Partitions that are to be taken off the log and dropped, noted before: so one whose dropping was cut off is known by '
  'more than its name. Empty but for a moment.';
