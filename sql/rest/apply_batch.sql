-- Creates, changes and deletes rows of one watched table in the order of a list, all or nothing. Called by the API for a
-- batch, whose operations it has checked: {"op", "id", "version", "<entity>": {fields}}. `columns` are those that a client
-- may write; a creation has all of them, a change those that it changes.
-- The rows are locked first, in the order of their ids: so batches that meet wait for each other and never in a circle.
-- One call, not a statement for each from outside: a thousand operations are one round trip.
-- The answer has at most 4 MiB, since it cannot be had in pages and is kept under an Idempotency-Key: more raises
-- batch_answer_bytes.
-- Returns each row as it then is, in the order of the list, NULL for a deleted one. Whatever is raised has in its DETAIL
-- which operation it was, from 0; what is not there raises batch_missing, another version batch_stale, and what a BEFORE
-- trigger of the operator's swallowed (it returned NULL) row_not_taken.
-- Called by: src/queries/batch.ts.
CREATE OR REPLACE FUNCTION public.apply_batch(of_topic text, columns text[], operations jsonb) RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  watched CONSTANT feed.topics := (SELECT t FROM feed.topics AS t WHERE t.topic = of_topic);
  written CONSTANT text := (SELECT string_agg(format('%I', c), ', ') FROM unnest(columns) AS c);
  taken CONSTANT text := (SELECT string_agg(format('n.%I', c), ', ') FROM unnest(columns) AS c);
  matches CONSTANT text := 't.id = $2 AND ($3 IS NULL OR t.version = $3)';
  statements CONSTANT jsonb := jsonb_build_object(
    'create', format(
      'INSERT INTO %s AS t (%s) SELECT %s FROM jsonb_populate_record(NULL::%1$s, $1) AS n RETURNING feed.render(t)::text',
      watched.relation, written, taken),
    'update', format(
      'UPDATE %s AS t SET (%s) = (SELECT %s FROM jsonb_populate_record(t, $1) AS n) WHERE %s RETURNING feed.render(t)::text',
      watched.relation, written, taken, matches),
    'delete', format('DELETE FROM %s AS t WHERE %s RETURNING NULL::text', watched.relation, matches));
  present CONSTANT text := format('SELECT version FROM %s WHERE id = $1', watched.relation);
  lock CONSTANT text := format('SELECT FROM %s WHERE id = ANY ($1) ORDER BY id FOR UPDATE', watched.relation);
  operation jsonb;
  at bigint;
  document text;
  found_rows bigint;
  present_version bigint;
  answer_bytes bigint := 0;
  state text;
  rule text;
  said text;
BEGIN
  EXECUTE lock USING ARRAY(SELECT (o.value ->> 'id')::uuid FROM jsonb_array_elements(operations) AS o);
  -- What the locks raise is of no operation, and keeps its own words.
  BEGIN
    FOR operation, at IN
      SELECT o.value, o.ordinality - 1 FROM jsonb_array_elements(operations) WITH ORDINALITY AS o
    LOOP
      FOR attempt IN 1 .. 4 LOOP
        EXECUTE statements ->> (operation ->> 'op') INTO document
        USING operation -> watched.entity, (operation ->> 'id')::uuid, (operation ->> 'version')::bigint;
        GET DIAGNOSTICS found_rows = ROW_COUNT;
        EXIT WHEN found_rows > 0;
        EXECUTE present INTO present_version USING (operation ->> 'id')::uuid;
        IF operation ->> 'op' <> 'create' AND present_version IS NULL THEN
          RAISE EXCEPTION 'there is no % %', watched.entity, operation ->> 'id'
            USING ERRCODE = 'no_data_found', CONSTRAINT = 'batch_missing';
        ELSIF (operation ->> 'version')::bigint <> present_version THEN
          RAISE EXCEPTION '% % has another version', watched.entity, operation ->> 'id'
            USING ERRCODE = 'no_data_found', CONSTRAINT = 'batch_stale';
        ELSIF operation ->> 'op' = 'create' OR attempt = 4 THEN
          RAISE EXCEPTION 'a trigger of the table did not take the row'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'row_not_taken';
        END IF;
        -- Another writer deleted it and inserted it again while the statement waited for its row: now it is there.
      END LOOP;
      answer_bytes := answer_bytes + coalesce(octet_length(document), 0);
      IF answer_bytes > 4194304 THEN
        RAISE EXCEPTION 'the answer would have more than 4 MiB; send fewer operations'
          USING ERRCODE = 'program_limit_exceeded', CONSTRAINT = 'batch_answer_bytes';
      END IF;
      RETURN NEXT document;
    END LOOP;
  EXCEPTION
    WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, rule = CONSTRAINT_NAME, said = MESSAGE_TEXT;
      RAISE EXCEPTION USING ERRCODE = state, CONSTRAINT = rule, MESSAGE = said, DETAIL = 'operation ' || at;
  END;
END
$$;
COMMENT ON FUNCTION public.apply_batch(text, text[], jsonb) IS
  'Creates, changes and deletes rows of a watched table in the order of a list, all or nothing.';
