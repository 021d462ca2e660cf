-- A value that PostgreSQL has turned to JSON, as the log spells values of its type: times as feed.rfc3339() writes them,
-- numeric and bigint as strings (a JSON number is a float to most readers, exact up to 2^53 only), and the same inside of rows, arrays and domains,
-- without white space, which json_object_agg() and json_agg() would put between the parts. Called by feed.render(anyelement), under its
-- settings, and by itself. A time without RFC 3339, such as infinity, keeps PostgreSQL's own spelling; a timestamp without
-- time zone is no moment, and has no Z.
-- Called by: feed.render().
CREATE OR REPLACE FUNCTION feed.render_value(value json, of_type oid) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
  kind record;
  moment timestamptz;
BEGIN
  IF json_typeof(value) = 'null' THEN
    RETURN value;
  ELSIF of_type = 'timestamptz'::regtype THEN -- often, and needs no look into the catalogue
    moment := value #>> '{}';
    RETURN CASE WHEN moment < '0001-01-01 00:00:00Z' OR moment >= '10000-01-01 00:00:00Z' THEN value ELSE to_json(feed.rfc3339(moment)) END;
  END IF;
  SELECT t.oid, t.typtype, t.typbasetype, t.typrelid, t.typcategory, t.typelem INTO kind FROM pg_type AS t WHERE t.oid = of_type;
  WHILE kind.typtype = 'd' LOOP
    SELECT t.oid, t.typtype, t.typbasetype, t.typrelid, t.typcategory, t.typelem INTO kind
    FROM pg_type AS t WHERE t.oid = kind.typbasetype;
  END LOOP;

  IF kind.oid IN ('numeric'::regtype, 'int8'::regtype) THEN
    RETURN to_json(value #>> '{}');
  ELSIF kind.oid IN ('timestamptz'::regtype, 'timestamp'::regtype) THEN
    moment := value #>> '{}';
    RETURN CASE
      WHEN moment < '0001-01-01 00:00:00Z' OR moment >= '10000-01-01 00:00:00Z' THEN value
      WHEN kind.oid = 'timestamp'::regtype THEN to_json(rtrim(feed.rfc3339(moment), 'Z'))
      ELSE to_json(feed.rfc3339(moment))
    END;
  ELSIF kind.typrelid <> 0 THEN
    RETURN (
      SELECT '{' || string_agg(
        concat(to_json(v.key), ':', coalesce(CASE
          -- What most columns are of, without a call for each.
          WHEN a.atttypid::regtype = ANY (
            '{bool,int2,int4,text,varchar,uuid,date,json,jsonb,bool[],int4[],text[],varchar[],uuid[]}'::regtype[])
            THEN v.value
          WHEN a.atttypid IN ('numeric'::regtype, 'int8'::regtype) THEN to_json(v.value #>> '{}')
          ELSE feed.render_value(v.value, a.atttypid)
        END, 'null')),
        ',' ORDER BY v.ordinality) || '}'
      FROM json_each(value) WITH ORDINALITY AS v
      JOIN pg_attribute AS a ON a.attrelid = kind.typrelid AND a.attname = v.key
      WHERE a.attgenerated <> 'v');
  ELSIF kind.typcategory = 'A' AND json_typeof(value) = 'array' THEN
    RETURN (
      SELECT concat('[', string_agg(
        -- A list of several dimensions has lists for elements; they are of its own type.
        coalesce(feed.render_value(v.value, CASE json_typeof(v.value) WHEN 'array' THEN kind.oid ELSE kind.typelem END), 'null')::text,
        ',' ORDER BY v.ordinality), ']')
      FROM json_array_elements(value) WITH ORDINALITY AS v);
  END IF;
  RETURN value;
END
$$;
COMMENT ON FUNCTION feed.render_value(json, oid) IS 'A value as JSON in the log''s spelling of its type.';
