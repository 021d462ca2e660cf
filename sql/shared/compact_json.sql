-- A JSON value without white space between its parts; all else stays as it is spelled. For what a feed.render() did not put
-- together: jsonb, which PostgreSQL prints with spaces, and what versions before this one told. As a text, a string or what
-- is no space at a time: so it takes whatever json takes, also escapes and numbers that jsonb refuses.
-- Called by: feed.render(), feed.verify().
CREATE OR REPLACE FUNCTION feed.compact_json(value json) RETURNS json
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT regexp_replace(value::text, '((?:"(?:[^"\\]|\\.)*"|[^"\s])+)|\s+', '\1', 'g')::json $$;
COMMENT ON FUNCTION feed.compact_json(json) IS 'A JSON value without white space between its parts.';
