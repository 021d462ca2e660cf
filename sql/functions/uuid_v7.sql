-- A new UUIDv7 (RFC 9562, section 5.7) with microseconds in rand_a (section 6.2, method 3), so that ids made in one
-- millisecond still sort by time. Called by the triggers that make ids. PostgreSQL 18 has its own; this one gives
-- the same ids on every supported server.
CREATE OR REPLACE FUNCTION feed.uuid_v7() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$
  SELECT encode(
    substring(int8send(micros / 1000) FROM 3)
      || substring(int8send(28672 + (micros % 1000) * 4096 / 1000) FROM 7)
      || substring(uuid_send(gen_random_uuid()) FROM 9),
    'hex')::uuid
  FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros) AS clock
$$;
COMMENT ON FUNCTION feed.uuid_v7() IS 'A new UUIDv7, ordered by the microsecond it was made in.';
