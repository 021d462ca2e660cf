-- Brings one item of a source into the list. Called by the generator, in a session that has set taskwire.origin (a SET
-- clause here would need a superuser), one item a statement and so a transaction:
-- it waits for a writer that is changing the same task while it holds no other, and can be part of no deadlock.
-- A merge of three: what the source said last time (imports), what it says now, and what the task says. A field is
-- changed if the source changed it and no other writer did. A task that is gone was deleted by a person and stays gone;
-- what the source last said is then left as it is, so that a restored task is merged as if it had always been there.
-- Compared as typed values, not as JSON: the same moment can be written in many ways.
-- Returns 'created', 'updated' or 'unchanged'; an item that breaks a rule raises the rule's error.
-- Called by: src/queries/imports.ts.
CREATE OR REPLACE FUNCTION public.import_task(from_source text, item_id text, said_now jsonb) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- What a task has that was created without these fields.
  defaults CONSTANT jsonb :=
    '{"description": null, "status": "todo", "priority": "normal", "due_at": null, "labels": []}';
  theirs CONSTANT public.tasks := jsonb_populate_record(NULL::public.tasks, defaults || said_now);
  said_before jsonb;
  ours public.tasks;
  merged public.tasks;
BEGIN
  SELECT i.item INTO said_before FROM public.imports AS i WHERE i.source = from_source AND i.external_id = item_id;
  IF said_before = said_now THEN
    RETURN 'unchanged';
  END IF;

  IF said_before IS NULL THEN
    -- The row of imports first: it is what makes an item created once, whatever else imports or deletes meanwhile.
    INSERT INTO public.imports (source, external_id, item) VALUES (from_source, item_id, said_now)
    ON CONFLICT ON CONSTRAINT imports_pkey DO NOTHING;
    IF FOUND THEN
      INSERT INTO public.tasks (title, description, status, priority, due_at, labels, source, external_id)
      VALUES (theirs.title, theirs.description, theirs.status, theirs.priority, theirs.due_at, theirs.labels,
        from_source, item_id)
      ON CONFLICT ON CONSTRAINT tasks_source_external_id_key DO NOTHING;
      RETURN CASE WHEN FOUND THEN 'created' ELSE 'unchanged' END; -- a person's own task is theirs as it is
    END IF;
    SELECT i.item INTO said_before FROM public.imports AS i WHERE i.source = from_source AND i.external_id = item_id;
  END IF;

  SELECT * INTO ours FROM public.tasks AS t WHERE t.source = from_source AND t.external_id = item_id FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 'unchanged';
  END IF;
  UPDATE public.imports AS i SET item = said_now WHERE i.source = from_source AND i.external_id = item_id;

  merged := (
    SELECT jsonb_populate_record(ours, coalesce(jsonb_object_agg(now.key, now.value), '{}'))
    FROM jsonb_each(to_jsonb(theirs)) AS now
    JOIN jsonb_each(to_jsonb(jsonb_populate_record(NULL::public.tasks, defaults || said_before))) AS before USING (key)
    JOIN jsonb_each(to_jsonb(ours)) AS mine USING (key)
    WHERE said_now ? now.key AND now.value <> before.value AND mine.value = before.value);
  IF merged IS NOT DISTINCT FROM ours THEN
    RETURN 'unchanged';
  END IF;
  UPDATE public.tasks AS t
  SET title = merged.title, description = merged.description, status = merged.status, priority = merged.priority,
      due_at = merged.due_at, labels = merged.labels
  WHERE t.id = ours.id;
  RETURN 'updated';
END
$$;
COMMENT ON FUNCTION public.import_task(text, text, jsonb) IS 'Creates or merges the task of one item of a source.';
