// docker-compose.yml: the service is no superuser there, and its password may hold what no address can.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import test from 'ava';
import { openSession } from '../../src/postgres/session.ts';
import { databaseUrl, SERVICE } from '../helpers/database.ts';
import { senderTo } from '../helpers/http.ts';
import { startService } from '../helpers/process.ts';

const FILE = new URL('../../docker-compose.yml', import.meta.url);
const PASSWORD = `p@ss/w:rd#?%20'"`;

/** The statements that make the role and its database, for a role and database of this name. */
async function rolesFor(name: string): Promise<string[]> {
  const text = await readFile(FILE, 'utf8');
  const [, script = ''] = /content: \|\n((?: {6}.*\n)+)/.exec(text) ?? [];
  return script
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('\\'))
    .map(line =>
      line.replaceAll(/\btaskwire\b/g, name).replace(`:'password'`, `'${PASSWORD.replaceAll("'", "''")}'`),
    );
}

test('as its role of docker-compose.yml the service migrates and serves, and is no superuser', async t => {
  const server = process.env.TEST_SERVER_URL ?? '';
  const name = `compose_${randomBytes(6).toString('hex')}`;
  const admin = await openSession({ service: SERVICE, url: databaseUrl(server, 'postgres'), name: 'tests' });
  t.teardown(async () => {
    await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await admin.query(`DROP ROLE IF EXISTS ${name}`);
    await admin.end();
  });
  const statements = await rolesFor(name);
  t.is(statements.length, 2);
  for (const statement of statements) await admin.query(statement);
  const { rows } = await admin.query('SELECT rolsuper FROM pg_roles WHERE rolname = $1', [name]);
  t.deepEqual(rows, [{ rolsuper: false }]);

  const url = new URL(databaseUrl(server, name));
  url.username = name;
  url.password = '';
  const service = await startService(url.href, { PGPASSWORD: PASSWORD, SERVICE_NAME: name });
  t.teardown(() => service.stop());
  const send = senderTo(service.address);
  t.is((await send('GET', '/health/ready')).status, 200);
  t.is((await send('POST', '/tasks', { title: 'not as a superuser' })).status, 201);
});
