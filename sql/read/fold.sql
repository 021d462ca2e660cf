-- Event sourcing: the last event of every entity of a topic (NULL: of all), as the caller's snapshot knows the log, with what has
-- committed and has no position yet. It reads all of the log.
-- Called by: feed.unwatch(), feed.verify().
CREATE OR REPLACE FUNCTION feed.fold(of_topic text)
RETURNS TABLE (topic text, subject text, type text, data json)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT DISTINCT ON (l.topic, l.subject) l.topic, l.subject, l.type, l.data
  FROM (
    SELECT e.topic, e.type, e.subject, e.data, e.position, 0::bigint AS last_id, 0::bigint AS id FROM feed.events AS e
    UNION ALL
    SELECT s.topic, s.type, s.subject, s.data, NULL, max(s.id) OVER (PARTITION BY s.xid), s.id
    FROM feed.staged AS s
    WHERE NOT EXISTS (SELECT FROM feed.events AS e WHERE e.staged_id = s.id)
  ) AS l
  WHERE of_topic IS NULL OR l.topic = of_topic
  ORDER BY l.topic, l.subject, l.position DESC NULLS FIRST, l.last_id DESC, l.id DESC
$$;
COMMENT ON FUNCTION feed.fold(text) IS 'The last event of every entity of a topic, or of all.';
