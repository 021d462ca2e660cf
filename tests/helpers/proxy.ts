// The proxy of docker-compose.yml as a process on loopback: nginx with nginx.conf, its addresses put in. Where there is
// no nginx, a plain TCP proxy stands in: it spreads connections and passes over what is down, and no more. And HAProxy
// with haproxy.cfg, the same way.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findLastingPort } from './port.ts';
import { findProgram } from './program.ts';
import { until } from './until.ts';

export interface TestProxy {
  readonly address: string;
  stop(): Promise<void>;
}

const CONFIGURATION = new URL('../../nginx.conf', import.meta.url);
const NOBODY = 65534;

/** nginx, wherever it is installed; undefined where it is not. */
export const NGINX = findProgram('nginx');
/** HAProxy, likewise. */
export const HAPROXY = findProgram('haproxy');

/** A proxy in front of exactly two addresses, as api1 and api2; says in `log` (ava's t.log) which one it is. */
export async function startProxy(
  [first, second]: readonly [string, string],
  log: (text: string) => void,
): Promise<TestProxy> {
  const ports = [first, second].map(address => Number(new URL(address).port));
  if (NGINX !== undefined) return startNginx(NGINX, ports);
  log('nginx is not installed (apt-get install nginx-light): a plain TCP proxy stands in for it');
  return startPlainProxy(ports);
}

async function startNginx(nginx: string, [api1, api2]: number[]): Promise<TestProxy> {
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-proxy-'));
  const port = await findLastingPort();
  const configuration = (await readFile(CONFIGURATION, 'utf8'))
    .replaceAll('listen 8000', `listen 127.0.0.1:${port}`)
    .replaceAll('api1:8000', `127.0.0.1:${api1}`)
    .replaceAll('api2:8000', `127.0.0.1:${api2}`);
  await writeFile(join(folder, 'nginx.conf'), aroundIt(folder, configuration));
  // Root would be asked for the account of the workers, and the proxy needs no rights.
  const account = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  if (account.uid !== undefined) await chown(folder, account.uid, account.gid);
  const child = spawn(nginx, ['-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')], {
    ...account,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return untilServing(child, port, folder);
}

/** HAProxy in front of exactly two addresses, as api1 and api2. */
export async function startHaproxy(
  haproxy: string,
  [first, second]: readonly [string, string],
): Promise<TestProxy> {
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-proxy-'));
  const port = await findLastingPort();
  const configuration = (await readFile(new URL('../../haproxy.cfg', import.meta.url), 'utf8'))
    .replaceAll('127.0.0.1:8000', `127.0.0.1:${port}`)
    .replaceAll('api1:8000', new URL(first).host)
    .replaceAll('api2:8000', new URL(second).host);
  await writeFile(join(folder, 'haproxy.cfg'), configuration);
  const child = spawn(haproxy, ['-db', '-f', join(folder, 'haproxy.cfg')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return untilServing(child, port, folder);
}

async function untilServing(child: ChildProcess, port: number, folder: string): Promise<TestProxy> {
  process.once('exit', () => child.kill('SIGTERM')); // a test that was cut short
  let said = '';
  child.stderr?.on('data', data => (said += data));
  const exited = once(child, 'exit');
  await until(async () => child.exitCode !== null || (await accepts(port)));
  if (child.exitCode !== null) throw new Error(`the proxy did not start: ${said}`);
  return {
    address: `http://127.0.0.1:${port}`,
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}

// What Debian's and Docker's nginx.conf have around the one that is included.
function aroundIt(folder: string, configuration: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `${name}_temp_path "${join(folder, name)}";`,
  );
  return `
    daemon off;
    pid "${join(folder, 'pid')}";
    events {}
    http {
      access_log off;
      ${temporary.join('\n')}
      ${configuration}
    }`;
}

async function startPlainProxy(ports: readonly number[]): Promise<TestProxy> {
  const sockets = new Set<Socket>();
  let turn = 0;
  const keep = (socket: Socket, other: Socket) => {
    sockets.add(socket);
    socket
      .on('error', () => {})
      .on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
  };
  const join = (near: Socket, tries: number) => {
    const far = connect(ports[turn++ % ports.length] ?? 0, '127.0.0.1');
    const giveUp = () => (tries > 1 ? join(near, tries - 1) : near.destroy());
    far.once('error', giveUp);
    far.once('connect', () => {
      far.off('error', giveUp);
      keep(near, far);
      keep(far, near);
      near.pipe(far).pipe(near);
    });
  };
  const server = createServer(near => join(near, ports.length));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
