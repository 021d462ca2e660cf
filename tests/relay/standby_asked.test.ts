// Which questions a standby is asked: those about its own log, as far as it has that.
import test from 'ava';
import { createLogger } from '../../src/logger.ts';
import { readHead } from '../../src/queries/log.ts';
import { createStandby } from '../../src/relay/standby.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { LOG_ID } from '../helpers/rows.ts';

const logger = createLogger({ level: 'fatal', pretty: false });

test('a standby of another log is asked for nothing, nor is one for what it has not replayed', async t => {
  const database = await createTestDatabase();
  const { log, head } = await readHead(database.pool);
  const standby = createStandby(database.pool, logger);
  const asked = (at: { log: string; position: number }) =>
    standby.ask(
      at,
      async () => 'the standby',
      async () => 'the primary',
    );
  t.is(await asked({ log, position: head }), 'the standby');
  t.is(await asked({ log: LOG_ID, position: head }), 'the primary');
  t.is(await asked({ log, position: head + 1 }), 'the primary');
  t.is(await asked({ log, position: head }), 'the standby');
  await database.drop();
});

test('what a standby cancels or cannot answer the primary is asked for', async t => {
  const database = await createTestDatabase();
  const { log, head } = await readHead(database.pool);
  const standby = createStandby(database.pool, logger);
  const cancelled = () => Promise.reject(new Error('canceling statement due to conflict with recovery'));
  t.is(await standby.ask({ log, position: head }, cancelled, async () => 'the primary'), 'the primary');
  t.deepEqual(standby.warnings, []);
  await database.drop();
});
