-- The triggers of tasks: what the database makes itself, and capture.
SELECT feed.ensure_trigger(
  'public.tasks', 'tasks_before_write', 'BEFORE INSERT OR UPDATE', 'ROW', 'public.tasks_before_write()');
SELECT feed.watch('public.tasks', topic => 'tasks', entity => 'task', versioned => true);
