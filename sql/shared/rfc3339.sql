-- The one way in which a time is written: RFC 3339 in UTC, six digits of fraction, 'Z'.
-- Called by every feed.render(). to_jsonb would use the session's time zone and trim the fraction.
-- Called by: feed.list_past(), feed.render(), feed.render_value(), feed.sequence_staged(), src/queries/log.ts,
-- src/queries/resource.ts, src/queries/runs.ts, src/queries/tokens.ts.
CREATE OR REPLACE FUNCTION feed.rfc3339(moment timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;
COMMENT ON FUNCTION feed.rfc3339(timestamptz) IS 'A finite time as RFC 3339 in UTC with microseconds; NULL for NULL.';
