-- feed.sequence_staged() as versions from before sql/ had a version know it: an instance of theirs which leads while its
-- successors come goes on numbering. It could not start again, for it would put its own sql/ in the place of this one: CREATE OR
-- REPLACE FUNCTION refuses another name for the parameter, and names the one that it finds.
-- Called by: instances of older versions.
DO $$
BEGIN
  IF 'most' = ANY ((SELECT p.proargnames FROM pg_proc AS p WHERE p.oid = to_regprocedure('feed.sequence_events(integer)'))::text[]) THEN
    DROP FUNCTION feed.sequence_events(integer);
  END IF;
END
$$;
CREATE OR REPLACE FUNCTION feed.sequence_events("the database is of a newer version" integer)
RETURNS TABLE (
  "position" bigint, topic text, type text, subject text, "time" text, origin text, transaction text,
  requestid text, data text, previous text, last_position bigint
)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT s."position", s.topic, s.type, s.subject, s."time", s.origin, s.transaction, s.requestid, s.data, s.previous, s.last_position
  FROM feed.sequence_staged($1) AS s
$$;
COMMENT ON FUNCTION feed.sequence_events(integer) IS 'feed.sequence_staged() for instances of versions before.';
