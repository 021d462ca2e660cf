-- A new UUIDv7 (RFC 9562, section 5.7) with the time's fraction of a millisecond in rand_a (section 6.2, method 3), so
-- that ids made in one millisecond still sort by time. Called by the triggers that make ids. PostgreSQL 18 has its own;
-- this one gives the same ids on every supported server.
-- One expression, which reads the clock once: so it is inlined where it is called, and every writer's trigger calls
-- it. Milliseconds times 4096 in hexadecimal are the 48 bits of the time, then the 12 of rand_a.
-- Called by: public.currencies_before_write(), public.runs_before_write(), public.tasks_before_write().
CREATE OR REPLACE FUNCTION feed.uuid_v7() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$
  SELECT (
    overlay(
      lpad(to_hex(floor(extract(epoch FROM clock_timestamp()) * 4096000)::bigint), 15, '0') PLACING '7' FROM 13 FOR 0)
    || substr(gen_random_uuid()::text, 20))::uuid
$$;
COMMENT ON FUNCTION feed.uuid_v7() IS 'A new UUIDv7, ordered by the microsecond it was made in.';
