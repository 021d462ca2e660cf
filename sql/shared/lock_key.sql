-- The key of one of the service's advisory locks, such as 'leader', 'doorbell', 'rates', 'run:<id>', 'idempotency:<key>'.
-- Called by capture, the sequencer, the jobs and a request that claims an Idempotency-Key. An advisory lock is only a number, shared with everybody in the
-- database: hashing service and purpose to 64 bits keeps it apart from others'. Immutable, so that plpgsql folds
-- it to a constant in the writer's path.
-- Called by: feed.end_strangers(), feed.end_stuck_leader(), feed.sequence_staged(), feed.stage(),
-- public.claim_idempotency_key(), public.import_rates(), public.queue_first_run(), public.revive_run(), src/doctor/log.ts, src/postgres/lock_session.ts,
-- src/queries/run_session.ts, src/sequencer/leader_session.ts.
CREATE OR REPLACE FUNCTION feed.lock_key(purpose text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT hashtextextended(feed.service_name() || ':' || purpose, 0) $$;
COMMENT ON FUNCTION feed.lock_key(text) IS 'The advisory lock key for a purpose of this service.';
