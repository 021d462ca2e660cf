-- The triggers of runs: its id, capture of its status, and that no run is taken away too early.
SELECT feed.ensure_trigger(
  'public.runs', 'runs_before_write', 'BEFORE INSERT OR UPDATE', 'ROW', 'public.runs_before_write()');
SELECT feed.ensure_trigger('public.runs', 'runs_kept', 'BEFORE DELETE', 'ROW', 'public.keep_runs()');
SELECT feed.ensure_trigger('public.runs', 'runs_kept_truncate', 'BEFORE TRUNCATE', 'STATEMENT', 'feed.refuse(''runs_kept'')');
SELECT feed.watch(
  'public.runs', topic => 'runs', entity => 'run', status_column => 'status', status_verbs => '{"running": "started"}');
