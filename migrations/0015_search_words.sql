-- Up Migration

-- What tasks are searched by, with a short pending list as before: see 0007_rest.sql.
CREATE INDEX CONCURRENTLY tasks_by_search_words ON public.tasks USING gin (public.task_search_words(title, description))
  WITH (gin_pending_list_limit = 512);
