// `npm run verify`, and with --proof: what it prints, and how it ends.
import test from 'ava';
import type pg from 'pg';
import { proveLog } from '../../src/commands/prove_log.ts';
import { runToEnd } from '../helpers/process.ts';
import { sequence, withDatabase } from '../helpers/sql.ts';

const verify = (url: string, ...args: string[]) =>
  runToEnd({ DATABASE_URL: url }, 'src/commands/verify.ts', ...args);

async function write(session: pg.Client, batches: number): Promise<void> {
  for (let batch = 0; batch < batches; batch++) {
    await session.query(`INSERT INTO tasks (title) VALUES ('x'), ('y')`);
    await sequence(session);
  }
}

// A transaction that no batch can have seen.
const misplace = (position: number) => `
  BEGIN;
  ALTER TABLE feed.events DISABLE TRIGGER events_append_only;
  UPDATE feed.events SET transaction = '9999999' WHERE position = ${position};
  ALTER TABLE feed.events ENABLE ALWAYS TRIGGER events_append_only;
  COMMIT`;

test(
  'with --proof it compares, proves the log, and says how much of it in how long; without it compares alone',
  withDatabase(async (t, database) => {
    await write(await database.psql(), 3);
    const compared = await verify(database.url);
    t.deepEqual(compared, { code: 0, output: 'the log, up to position 6, and the tables agree\n' });
    const { code, output } = await verify(database.url, '--proof');
    t.is(
      output.replace(/\d+\.\d s/, '… s'),
      `${compared.output}looked at the log up to position 6 of 6\nproved 6 events in 3 batches in … s\n`,
    );
    t.is(code, 0);
  }),
);

test(
  'a fault that only the proof sees is printed, and it ends with 1; so it does when only the comparison sees one',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await write(session, 3);
    await session.query(misplace(5));
    t.is((await verify(database.url)).code, 0);
    const misplaced = await verify(database.url, '--proof');
    t.is(misplaced.code, 1);
    t.regex(
      misplaced.output,
      /\nposition 5: transaction 9999999 is not seen .*\n.*\n1 faults in 6 events in 3 batches, looked at in .* s\n$/,
    );
    await session.query('SELECT feed.new_log()'); // the misplaced one is of a former log now
    await session.query('ALTER TABLE tasks DISABLE TRIGGER ALL; DELETE FROM tasks');
    const differing = await verify(database.url, '--proof');
    t.is(differing.code, 1);
    t.regex(differing.output, /in the log, but not in the table\n/);
    t.regex(differing.output, /\nproved 6 events in 4 batches in .* s\n$/);
  }),
);

test(
  'on an empty log it is silent, too',
  withDatabase(async (t, database) => {
    const { code, output } = await verify(database.url, '--proof');
    t.is(code, 0, output);
    t.regex(output, /\nproved 0 events in 0 batches in/);
  }),
);

test('an option that it does not know is refused with the usage', async t => {
  for (const args of [['--prove'], ['--proof=yes'], ['proof']])
    t.deepEqual(await verify('postgres://nowhere', ...args), {
      code: 1,
      output: 'usage: npm run verify [-- --proof]\n',
    });
});

test(
  'a long log is proved piece by piece, each position once, and the last piece takes along what has come meanwhile',
  withDatabase(async (t, database) => {
    const [session, writer] = [await database.psql(), await database.psql()];
    await write(session, 5);
    await session.query(misplace(8));
    const pieces: { through: number; head: number; faults: number }[] = [];
    let writing = Promise.resolve();
    const tell = ({
      through,
      head,
      faults,
    }: {
      through: number;
      head: number;
      faults: readonly string[];
    }) => {
      if (pieces.length === 0) writing = write(writer, 2);
      pieces.push({ through, head, faults: faults.length });
    };
    const proving = proveLog({ session: gated(session, () => writing), step: 4, tell });
    t.deepEqual(await proving, { events: 14, batches: 7, faults: 1 });
    t.deepEqual(pieces, [
      { through: 4, head: 10, faults: 0 },
      { through: 8, head: 10, faults: 1 },
      { through: 14, head: 14, faults: 0 },
    ]);
  }),
);

// A session that asks only once what goes on beside it has ended.
function gated(session: pg.Client, gate: () => Promise<void>): pg.Client {
  const query = session.query.bind(session) as (...args: unknown[]) => Promise<unknown>;
  return Object.create(session, {
    query: { value: (...args: unknown[]) => gate().then(() => query(...args)) },
  });
}
