-- Up Migration

-- Nothing but tasks is locked here: writers lock it before what their triggers write to.
DROP INDEX public.tasks_by_words;
