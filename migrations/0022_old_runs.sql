-- Up Migration

COMMENT ON TABLE public.runs IS
  'Runs of the background jobs, one row each, kept for 400 days. A change of status is an event of the topic runs. '
  '`rejections` names the items that broke a rule, the first hundred: [{"source", "external_id", "reason"}].';
COMMENT ON TABLE public.rejected_messages IS
  'Messages from NATS that could not be taken, each once, and why, kept for 400 days. `payload` is the bytes that came, the '
  'first 64 KiB of `payload_size`. A message is known by its stream, its sequence there, and when the stream got it.';
