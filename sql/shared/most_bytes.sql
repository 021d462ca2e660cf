-- How many bytes an event's data and previous may have together: 16 MiB. What is larger no reader could be sure to take.
-- Asked by feed.stage(), which refuses it to its writer, and by what reads the log, which tells an event from before that
-- rule without its data.
-- Called by: feed.capture(), feed.refuse_large(), feed.sequence_staged(), feed.stage(), feed.unwatch(), feed.verify(),
-- src/queries/log.ts.
CREATE OR REPLACE FUNCTION feed.most_bytes() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 16777216;
COMMENT ON FUNCTION feed.most_bytes() IS 'How large the data of an event may be, in bytes.';
