// What an address says of TLS means what it means to psql.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { parse } from '../../src/config.ts';
import { ServiceError } from '../../src/errors.ts';
import { openPool, ping } from '../../src/postgres/pool.ts';
import { closeSession, openSession, openSessionPool } from '../../src/postgres/session.ts';
import { SERVICE } from '../helpers/database.ts';

const SERVER = process.env.TEST_SERVER_URL ?? '';
const CERTIFICATE = fileURLToPath(new URL('../fixtures/tls/cert.pem', import.meta.url)); // its own authority; of localhost
const KEY = fileURLToPath(new URL('../fixtures/tls/key.pem', import.meta.url));

/** The server of `npm test` behind TLS, as PostgreSQL offers it; `served` counts the connections that used it. */
async function startTls(t: ExecutionContext) {
  const { hostname, port } = new URL(SERVER);
  const [cert, key] = [readFileSync(CERTIFICATE), readFileSync(KEY)];
  let served = 0;
  const front = createServer(near => {
    const far = connect(Number(port), hostname);
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
    near.once('data', first => {
      const wantsTls = first.length === 8 && first.readInt32BE(4) === 80877103;
      if (!wantsTls) {
        far.write(first);
        near.pipe(far).pipe(near);
        return;
      }
      near.write('S');
      const secure = new TLSSocket(near, { isServer: true, cert, key });
      secure.on('error', () => far.destroy());
      secure.once('secure', () => served++);
      secure.pipe(far).pipe(secure);
    });
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  t.teardown(() => front.close());
  const { port: own } = front.address() as AddressInfo;
  const address = (host: string, parameters: string) => {
    const url = Object.assign(new URL(SERVER), { hostname: host, port: String(own), pathname: '/postgres' });
    return `${url.href}${parameters}`;
  };
  return { address, served: () => served };
}

const addressOf = (url: string, environment: Record<string, string> = {}) => {
  const { databaseUrl } = parse({ DATABASE_URL: url, ...environment }, []);
  return databaseUrl ?? '';
};

async function connects(url: string): Promise<boolean> {
  try {
    await closeSession(await openSession({ service: SERVICE, url, name: 'test' }));
    return true;
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'unavailable') return false;
    throw error;
  }
}

test('require encrypts and asks for no certificate, verify-ca for its authority, verify-full also for its name', async t => {
  const { address, served } = await startTls(t);
  const root = `&sslrootcert=${CERTIFICATE}`;
  const outcomes = [
    ['127.0.0.1', '?sslmode=require', true],
    ['127.0.0.1', '?sslmode=no-verify', true],
    ['127.0.0.1', `?sslmode=verify-ca${root}`, true],
    ['localhost', `?sslmode=verify-full${root}`, true],
    ['127.0.0.1', `?sslmode=verify-full${root}`, false], // another name
    ['localhost', '?sslmode=verify-full', false], // an authority that nobody knows
    ['localhost', '?sslmode=verify-full&sslrootcert=system', false],
  ] as const;
  for (const [host, parameters, isTaken] of outcomes) {
    const before = served();
    t.is(await connects(addressOf(address(host, parameters))), isTaken, parameters);
    if (isTaken) t.is(served(), before + 1, parameters);
  }
  const before = served();
  t.true(await connects(addressOf(address('127.0.0.1', ''))));
  t.true(await connects(addressOf(address('127.0.0.1', '?sslmode=disable'))));
  t.is(served(), before, 'without a mode, and with disable, there is no TLS');
  t.true(await connects(addressOf(address('127.0.0.1', ''), { PGSSLMODE: 'require' })));
  t.is(served(), before + 1, 'PGSSLMODE is for addresses that name none');
});

test('every kind of pool takes it as well', async t => {
  const { address, served } = await startTls(t);
  const url = addressOf(address('localhost', `?sslmode=verify-full&sslrootcert=${CERTIFICATE}`));
  for (const throughPooler of [false, true]) {
    const pool = await openPool({ service: SERVICE, url, size: 1, role: false, throughPooler });
    await ping(pool);
    await pool.end();
  }
  const pool = openSessionPool({ service: SERVICE, url, name: 'jobs' }, 1);
  await pool.query('SELECT 1');
  await pool.end();
  t.is(served(), 3);
});

test('what cannot be meant as libpq means it is refused at the start, in words and without the address', t => {
  const refused = (parameters: string, environment: Record<string, string> = {}) =>
    t.throws(() => addressOf(`postgresql://me:secret@db${parameters}`, environment), {
      instanceOf: ServiceError,
    })?.message ?? '';
  t.regex(refused('?sslmode=prefer'), /DATABASE_URL sslmode=prefer is not supported/);
  t.regex(refused('', { PGSSLMODE: 'allow' }), /sslmode=allow is not supported/);
  t.regex(refused('?sslmode=yes'), /none of disable, require, verify-ca, verify-full/);
  t.regex(refused('?sslmode=verify-ca'), /needs sslrootcert/);
  t.regex(refused('?sslmode=require&sslrootcert=system'), /needs sslmode=verify-full/);
  t.regex(refused('?sslmode=require&sslrootcert=/nowhere'), /sslrootcert that cannot be read/);
  t.notRegex(refused('?sslmode=verify-ca'), /secret/);
  const direct = { DATABASE_DIRECT_URL: 'postgresql://me@db?sslmode=prefer' };
  t.regex(refused('', direct), /DATABASE_DIRECT_URL sslmode=prefer/);
});
