-- Enters a file that was written to the archive and read back. Files follow each other without a gap; one that follows none
-- begins the archive anew: from then on it is read from there.
-- Called by: src/retention/retention.ts.
CREATE OR REPLACE FUNCTION feed.note_archived(first bigint, last bigint, log uuid, bytes bigint, sha256 bytea) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE feed.log SET archived_from = note_archived.first
  WHERE archived_from IS NULL
    OR NOT EXISTS (SELECT FROM feed.archive_files AS f WHERE f.last = note_archived.first - 1);
  INSERT INTO feed.archive_files (first, last, log, bytes, sha256)
  VALUES (note_archived.first, note_archived.last, note_archived.log, note_archived.bytes, note_archived.sha256);
$$;
COMMENT ON FUNCTION feed.note_archived(bigint, bigint, uuid, bigint, bytea) IS 'Enters a file of the archive.';
