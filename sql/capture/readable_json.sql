-- A JSON text that PostgreSQL can take apart. A json column takes any escape as it is,
-- but ->> and json_each() raise at \u0000 and at half of a surrogate pair, wherever in the row it stands: the writer of such
-- a value would be refused, and no snapshot made. Such an escape is told as its six characters, \\u0000, instead.
-- Called by: feed.render().
CREATE OR REPLACE FUNCTION feed.readable_json(value json) RETURNS json
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
  read text;
BEGIN
  IF value::text !~ '\\u(?:0000|[dD][89a-fA-F])' THEN
    RETURN value;
  END IF;
  -- A backslash that is itself escaped begins nothing: (?<!\\)(?:\\\\)* is an even number of them.
  read := regexp_replace(value::text, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\\\u0000', 'g');
  -- A first half without a second one, then a second half without a first one.
  read := regexp_replace(read, '(?<!\\)((?:\\\\)*)\\(u[dD][89abAB][0-9a-fA-F]{2})(?!\\u[dD][c-fC-F])', '\1\\\\\2', 'g');
  read := regexp_replace(
    read, '(?<!\\u[dD][89abAB][0-9a-fA-F]{2})(?<!\\)((?:\\\\)*)\\(u[dD][c-fC-F][0-9a-fA-F]{2})', '\1\\\\\2', 'g');
  IF NOT pg_input_is_valid(read, 'jsonb') THEN -- a second half behind what only looks like a first one
    read := regexp_replace(read, '(?<!\\)((?:\\\\)*)\\(u[dD][89a-fA-F][0-9a-fA-F]{2})', '\1\\\\\2', 'g');
  END IF;
  RETURN read;
END
$$;
COMMENT ON FUNCTION feed.readable_json(json) IS 'A JSON text without the escapes that PostgreSQL cannot read.';
