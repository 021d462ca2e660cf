// What nobody asks for any more does not grow for ever: old runs and old rejected messages go, and no other.
import test from 'ava';
import { readValue, refusal, sequence, withDatabase } from '../../helpers/sql.ts';

test(
  'runs go 400 days after they have finished, by themselves and not by hand before; so do rejected messages',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(
      `
      ALTER TABLE runs DISABLE TRIGGER USER;
      INSERT INTO runs (id, kind, status, queued_at, started_at, finished_at)
      SELECT rpad(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0'), 32, '7')::uuid, 'rates',
        'succeeded', at, at, at + interval '1 minute'
      FROM unnest(ARRAY[1, 399, 401, 402, 900]) AS days
      CROSS JOIN LATERAL (SELECT now() - days * interval '1 day') AS queued (at);
      ALTER TABLE runs ENABLE TRIGGER USER;
      INSERT INTO rejected_messages (received_at, subject, payload, payload_size, reason, stream, sequence, sent_at)
      SELECT now() - days * interval '1 day', 'rates', '', 0, 'no rate', 'stream', days, now()
      FROM unnest(ARRAY[1, 399, 401, 900]) AS days`,
    );
    const days = (table: string, at: string) =>
      readValue(
        session,
        `SELECT array_agg(extract(days FROM now() - ${at})::integer ORDER BY ${at} DESC) FROM ${table}`,
      );
    t.is(
      (await refusal(session.query(`DELETE FROM runs WHERE queued_at > now() - interval '400 days'`)))
        .constraint,
      'runs_kept',
    );
    await session.query('SELECT sweep_runs()');
    t.deepEqual(await days('runs', 'queued_at'), [1, 399]);
    t.deepEqual(await days('rejected_messages', 'received_at'), [1, 399]);
    const told = (await sequence(session)).filter(({ type }) => type === 'run_deleted');
    t.is(told.length, 3);
  }),
);
