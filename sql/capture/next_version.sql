-- The version with which an entity is inserted under an id of the writer's choice: one more than its last.
-- The upsert, not a SELECT, because another transaction may be
-- deleting, or inserting and deleting, the same id right now: waiting for its row here is what makes the answer
-- right once that transaction has ended.
-- Called by: public.currencies_before_write(), public.tasks_before_write().
CREATE OR REPLACE FUNCTION feed.next_version(topic text, subject text) RETURNS bigint
LANGUAGE sql VOLATILE
AS $$
  INSERT INTO feed.last_versions AS known (topic, subject, version)
  VALUES (topic, subject, 0)
  ON CONFLICT ON CONSTRAINT last_versions_pkey DO UPDATE SET version = known.version
  RETURNING known.version + 1
$$;
COMMENT ON FUNCTION feed.next_version(text, text) IS 'The version an entity has when it is inserted under a given id.';
