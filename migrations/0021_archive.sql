-- Up Migration

-- What retention has taken out of the database and keeps in files: EVENT_ARCHIVE.
CREATE TABLE feed.archive_files (
  first bigint NOT NULL,
  last bigint NOT NULL,
  log uuid NOT NULL,
  bytes bigint NOT NULL,
  sha256 bytea NOT NULL,
  archived_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT archive_files_pkey PRIMARY KEY (first),
  CONSTRAINT archive_files_last_key UNIQUE (last),
  CONSTRAINT archive_files_in_order CHECK (first > 0 AND last >= first),
  CONSTRAINT archive_files_bytes_positive CHECK (bytes > 0),
  CONSTRAINT archive_files_sha256_length CHECK (octet_length(sha256) = 32)
);
COMMENT ON TABLE feed.archive_files IS
  'The files of EVENT_ARCHIVE, <log>/<first>-<last>.jsonl.gz, each with the positions that it holds and the SHA-256 of its '
  'bytes. A file that is not here is none: a restored database knows which it relies on. One row, some 150 bytes, for 10,000 events.';

ALTER TABLE feed.log ADD COLUMN archived_from bigint;
ALTER TABLE feed.log ADD CONSTRAINT log_archived_from_positive CHECK (archived_from > 0);
COMMENT ON COLUMN feed.log.archived_from IS
  'The first position from which the archive''s files follow each other up to the floor; NULL where they do not.';
