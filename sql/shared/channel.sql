-- The name of one of the service's NOTIFY channels: 'doorbell' wakes the sequencer, 'events' tells the relays.
-- Called by capture, the sequencer and, once at start, by every instance.
-- Called by: feed.begin_epoch(), feed.sequence_staged(), feed.stage(), public.tokens_ring(),
-- src/queries/log.ts, src/sequencer/leader_session.ts.
CREATE OR REPLACE FUNCTION feed.channel(purpose text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT feed.service_name() || '_' || purpose $$;
COMMENT ON FUNCTION feed.channel(text) IS 'The NOTIFY channel for a purpose of this service.';
