-- Remembers the version of a deleted entity, so that it goes on from there if it comes back under its old id.
-- Called by capture for every deletion; does nothing for tables without a version.
CREATE OR REPLACE FUNCTION feed.remember_version(topic text, data json, key_column text) RETURNS void
LANGUAGE sql VOLATILE
AS $$
  INSERT INTO feed.last_versions AS known (topic, subject, version)
  SELECT topic, data ->> key_column, (data ->> 'version')::bigint
  WHERE data ->> 'version' IS NOT NULL
  ON CONFLICT ON CONSTRAINT last_versions_pkey
  DO UPDATE SET version = greatest(known.version, excluded.version)
$$;
COMMENT ON FUNCTION feed.remember_version(text, json, text) IS 'Keeps the last version of a deleted entity.';
