-- Remembers the version of a deleted entity, so that it goes on from there if it comes back under its old id.
-- Called by capture for every deletion; does nothing for tables whose versions are not the service's.
-- Called by: feed.capture(), feed.capture_truncate().
CREATE OR REPLACE FUNCTION feed.remember_version(topic text, data json, key_column text) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  -- Before the cast: a table of an operator's own may call any text a version.
  IF NOT EXISTS (SELECT FROM feed.topics AS w WHERE w.topic = remember_version.topic AND w.versioned) THEN
    RETURN;
  END IF;
  INSERT INTO feed.last_versions AS known (topic, subject, version)
  VALUES (remember_version.topic, data ->> key_column, (data ->> 'version')::bigint)
  ON CONFLICT ON CONSTRAINT last_versions_pkey
  DO UPDATE SET version = greatest(known.version, excluded.version);
END
$$;
COMMENT ON FUNCTION feed.remember_version(text, json, text) IS 'Keeps the last version of a deleted entity.';
