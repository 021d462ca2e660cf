-- The type of an event of a topic with a status: entity_status, or entity_verb where status_verbs has a word for it. Called
-- by feed.capture() and feed.watch(). `otherwise` is what happened to the row itself: created or updated.
-- A status that is, or ends like, one of the words created, updated and deleted says nothing of the row, and gets the plain
-- type: a row whose status is 'deleted' or 'half_deleted' is there, and no reader may take it for gone. So does one of more than 63 characters: a type is a
-- name, which goes into subjects and metrics. One expression, so that it is inlined where every change passes.
-- Called by: feed.capture(), feed.watch().
CREATE OR REPLACE FUNCTION feed.event_type(entity text, status text, verbs json, otherwise text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT entity || '_' || CASE
    WHEN coalesce(verbs ->> status, status) ~ '(^|_)(created|updated|deleted)$' THEN otherwise
    WHEN char_length(coalesce(verbs ->> status, status)) > 63 THEN otherwise
    ELSE coalesce(verbs ->> status, status, otherwise)
  END
$$;
COMMENT ON FUNCTION feed.event_type(text, text, json, text) IS 'The type of an event of a topic with a status.';
