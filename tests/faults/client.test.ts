// A client whose connections, instances and machine fail again and again. CLIENT_FAULTS=1000 npm test -- tests/faults/client.test.ts
// is the whole; TEST_SEED=<seed> repeats one.
import test from 'ava';
import { createTestDatabase } from '../helpers/database.ts';
import { createRandom } from '../helpers/random.ts';
import { torment } from './client/torment.ts';

const FAULTS = Number(process.env.CLIENT_FAULTS ?? 60);

test('whatever fails, a collection never flickers, calls nobody twice, and ends equal to the table', async t => {
  t.timeout(60_000 + FAULTS * 1_000);
  const database = await createTestDatabase();
  t.teardown(() => database.drop());
  const { shown, stored, violations, ...figures } = await torment(database, createRandom(t.log), {
    faults: FAULTS,
  });
  t.log(JSON.stringify({ ...figures, rows: stored.length }));
  t.deepEqual(violations, []);
  t.true(figures.changes.made > 0);
  t.deepEqual(shown, stored);
});
