// `npm run doctor`: what it says of a database in which all is well, and how it ends.
import test from 'ava';
import { createTestDatabase } from '../helpers/database.ts';
import { startInstance } from '../helpers/instance.ts';
import { runToEnd } from '../helpers/process.ts';
import { withDatabase } from '../helpers/sql.ts';
import { migrateAs, QUOTED, setScene, startAs } from '../helpers/two_logins.ts';
import { until } from '../helpers/until.ts';

const doctor = (url: string, settings: Record<string, string> = {}) =>
  runToEnd({ DATABASE_URL: url, ...settings }, 'src/commands/doctor.ts');

/** What it said of one thing: the line, and what to do. */
function remarkOn(output: string, subject: string): string[] {
  const lines = output.split('\n');
  const of = (line: string) => line.slice(7).startsWith(`${subject} `);
  return lines.flatMap((line, at) =>
    of(line) ? [[line, ...lines.slice(at + 1, at + 3).filter(next => next.startsWith('  '))].join('\n')] : [],
  );
}

// The server is other tests' too: they hold connections, transactions and slots of their own, and it is not made to last.
const SHARED = ['settings', 'connections', 'transactions', 'replication slots', 'notifications', 'disk'];

test('while an instance serves a sound database nothing of the service is wrong, and each thing has its line', async t => {
  const database = await createTestDatabase();
  const instance = await startInstance(database.url);
  t.teardown(async () => {
    await instance.stop();
    await database.drop();
  });
  await until(async () => (await fetch(`${instance.address}/health/ready`)).status === 200);
  const { output } = await doctor(database.url);
  const lines = output.split('\n').filter(line => /^(ok|note|WRONG) /.test(line));
  const subjects = new Set(lines.map(line => line.slice(7, 26).trim()));
  for (const subject of [
    ...SHARED,
    'PostgreSQL',
    'writes',
    'login',
    'schema',
    'clocks',
    'outbox',
    'log',
    'runs',
  ])
    t.true(subjects.has(subject), `${subject}:\n${output}`);
  t.deepEqual(
    lines.filter(
      line => line.startsWith('WRONG') && !SHARED.some(subject => line.slice(7).startsWith(subject)),
    ),
    [],
  );
  t.regex(output, /^ok {5}numbering +one leads \(pid \d+, role \S+, application "taskwire sequencer"\)/m);
  t.regex(
    output,
    /^\S+ +connections +\d+ of \d+ are in use, \d+ of them by others; 1 instance, of which each may open 24/m,
  );
});

test(
  'where no instance runs it says so, and that is no fault',
  withDatabase(async (t, database) => {
    const { output } = await doctor(database.url);
    t.regex(
      remarkOn(output, 'numbering').join(),
      /^note {3}numbering +no instance runs, so nothing is numbered\n.*npm start/,
    );
  }),
);

test('a database that is not there ends it with 1, and with the section that says what to do', async t => {
  const { code, output } = await doctor('postgres://127.0.0.1:1/nowhere');
  t.is(code, 1);
  t.regex(output, /^WRONG {2}database +127\.0\.0\.1:1: the database cannot be reached: .*ECONNREFUSED/);
  t.regex(output, /docs\/operations\/runbook\.md#the-database-is-away\n\n1 thing to mend\n$/);
});

test(
  'a database without the service is told from one with it',
  withDatabase(async (t, database) => {
    const { code, output } = await doctor(database.url, { SERVICE_NAME: 'elsewhere' });
    t.is(code, 1);
    t.regex(output, /^WRONG {2}schema +the service has nothing in this database$/m);
    t.deepEqual(remarkOn(output, 'numbering'), []);
  }),
);

test('with an instance’s login and with the owner’s it sees all it needs; one that may do nothing is told so', async t => {
  const { name, admin, owner, member, loginAs } = await setScene(t);
  t.is((await migrateAs(owner)).code, 0);
  const { address } = await startAs(t, member);
  await until(async () => (await fetch(`${address}/health/ready`)).status === 200);
  for (const login of [member, owner]) {
    const { output } = await runToEnd(login, 'src/commands/doctor.ts');
    t.notRegex(output, /could not be looked at/);
    t.regex(
      output,
      new RegExp(`^ok +login +${login === member ? `${name}, a member` : `${name}_owner, which owns`}`, 'm'),
    );
    t.regex(output, /^ok +schema /m);
    t.regex(output, /^ok +numbering +one leads/m);
  }
  await admin.query(`CREATE ROLE ${name}_nobody LOGIN PASSWORD ${QUOTED}`);
  await admin.query(`GRANT CONNECT ON DATABASE ${name} TO ${name}_nobody`);
  const { code, output } = await runToEnd(loginAs(`${name}_nobody`), 'src/commands/doctor.ts');
  t.is(code, 1);
  t.regex(
    output,
    new RegExp(
      `^WRONG +login +${name}_nobody is neither the owner of the log nor a member of ${name}_app`,
      'm',
    ),
  );
  t.regex(output, /^WRONG +schema +this could not be looked at: permission denied/m);
});
