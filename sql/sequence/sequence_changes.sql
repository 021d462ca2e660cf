-- feed.sequence_staged() as the version before it knows it, without the actor: an instance of that version which leads while
-- its successors come goes on numbering.
-- Called by: instances of older versions.
CREATE OR REPLACE FUNCTION feed.sequence_changes(most integer)
RETURNS TABLE (
  "position" bigint, topic text, type text, subject text, "time" text, origin text, transaction text,
  requestid text, data text, previous text, entity text, last_position bigint
)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT
    s."position", s.topic, s.type, s.subject, s."time", s.origin, s.transaction, s.requestid, s.data, s.previous, s.entity,
    s.last_position
  FROM feed.sequence_staged(most) AS s
$$;
COMMENT ON FUNCTION feed.sequence_changes(integer) IS 'feed.sequence_staged() for instances of the version before.';
