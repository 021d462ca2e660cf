// Whose word is taken for where a change comes from: a session's that may take the service's role, and no other's.
import { randomBytes } from 'node:crypto';
import test from 'ava';
import type pg from 'pg';
import { pino } from 'pino';
import { bindScript, rewriteQueries } from '../../../src/postgres/bind_names.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { openSession } from '../../../src/postgres/session.ts';
import { databaseUrl, SERVICE } from '../../helpers/database.ts';
import { sequence } from '../../helpers/sql.ts';

const SERVER = process.env.TEST_SERVER_URL ?? '';
const logger = pino({ level: 'silent' });

interface Site {
  dba: pg.Client;
  service: string;
  /** Logs in as a role, writes a task that says it comes from REST, and tells what the log says of it. */
  told(role: string): Promise<[origin: string, requestid: string | null]>;
}

/** Lends a database of an owner who may make no roles, with a clerk who may write tasks and no more. */
async function withSite(use: (site: Site) => Promise<void>): Promise<void> {
  const service = `o${randomBytes(6).toString('hex')}`;
  const server = await openSession({ service: SERVICE, url: SERVER, name: 'test' });
  for (const role of ['owner', 'clerk', 'pool'])
    await server.query(`CREATE ROLE ${service}_${role} LOGIN PASSWORD 'x'`);
  await server.query(`CREATE DATABASE ${service} OWNER ${service}_owner ENCODING 'UTF8' TEMPLATE template0`);
  const session = await openSession({ url: databaseUrl(SERVER, service), service, name: 'test' });
  const dba = rewriteQueries(session, text => bindScript(service, text));
  const urlOf = (role: string) => {
    const url = new URL(databaseUrl(SERVER, service));
    [url.username, url.password] = [role, 'x'];
    return url.href;
  };
  const told: Site['told'] = async role => {
    const session = await openSession({ url: urlOf(role), service, name: 'test' });
    await session.query(`SET taskwire.origin = 'rest'; SET taskwire.request_id = 'r'`);
    await session.query(`INSERT INTO public.tasks (title) VALUES ('x')`);
    await session.end();
    const [event] = await sequence(dba);
    return [event?.origin ?? '', event?.requestid ?? null];
  };
  try {
    await migrate({ url: urlOf(`${service}_owner`), service, logger });
    await dba.query(`SELECT feed.take_up_log()`);
    for (const role of ['clerk', 'pool'])
      await dba.query(
        `GRANT USAGE ON SCHEMA public TO ${service}_${role}; GRANT INSERT ON public.tasks TO ${service}_${role}`,
      );
    await use({ dba, service, told });
  } finally {
    await dba.end();
    await server.query(`DROP DATABASE ${service} WITH (FORCE)`);
    for (const role of ['owner', 'clerk', 'pool', 'app'])
      await server.query(`DROP ROLE IF EXISTS ${service}_${role}`);
    await server.end();
  }
}

test('a plain writer who says that a change comes from REST is told as psql, without his request', async t => {
  await withSite(async ({ dba, service, told }) => {
    t.deepEqual(await told(`${service}_clerk`), ['psql', null]);
    t.deepEqual(
      await told(`${service}_owner`),
      ['rest', 'r'],
      'the service works as the owner where there are no roles',
    );
    await dba.query(`CREATE ROLE taskwire_app; GRANT taskwire_app TO ${service}_pool`);
    t.deepEqual(await told(`${service}_clerk`), ['psql', null]);
    t.deepEqual(await told(`${service}_pool`), ['rest', 'r'], 'it may take the role of the service');
    t.deepEqual(await told(`${service}_owner`), ['rest', 'r']);
  });
});
