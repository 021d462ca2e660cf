-- Up Migration

CREATE TABLE public.rejected_messages (
  received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  subject text NOT NULL,
  payload bytea NOT NULL,
  payload_size integer NOT NULL,
  reason text NOT NULL,
  stream text NOT NULL,
  sequence bigint NOT NULL,
  sent_at timestamptz NOT NULL,
  -- A stream that was deleted and made again counts from 1 again.
  CONSTRAINT rejected_messages_pkey PRIMARY KEY (stream, sequence, sent_at),
  CONSTRAINT rejected_messages_payload_kept CHECK (octet_length(payload) = least(payload_size, 65536)),
  CONSTRAINT rejected_messages_subject_length CHECK (char_length(subject) BETWEEN 1 AND 500),
  CONSTRAINT rejected_messages_reason_length CHECK (char_length(reason) BETWEEN 1 AND 1000)
);
CREATE INDEX rejected_messages_received_at ON public.rejected_messages (received_at);
COMMENT ON TABLE public.rejected_messages IS
  'Messages from NATS that could not be taken, each once, and why. `payload` is the bytes that came, the first 64 KiB '
  'of `payload_size`. A message is known by its stream, its sequence there, and when the stream got it. Nothing takes '
  'rows away but a person.';
