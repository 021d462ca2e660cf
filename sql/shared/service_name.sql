-- The service's name, from which every number and channel that others in this database may use too is derived.
-- Change it here and nowhere else.
-- Called by: feed.channel(), feed.lock_key().
CREATE OR REPLACE FUNCTION feed.service_name() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 'taskwire' $$;
COMMENT ON FUNCTION feed.service_name() IS 'The name that advisory lock keys and channels are derived from.';
