// The port of the embedded server: the one asked for, else the one kept with the data, else a free one.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';

const HOST = '127.0.0.1';

/** Chooses the port for the next start. Rejects when the one asked for is another program's. */
export async function choosePort(wanted: number | undefined, keptIn: string): Promise<number> {
  if (wanted !== undefined) {
    if (await isFree(wanted)) return wanted;
    throw new Error(
      `Port ${wanted} for PostgreSQL is taken by another program. ` +
        'Set DATABASE_PORT to another one, or unset it to have a free one found',
    );
  }
  const kept = Number.parseInt(await readFile(keptIn, 'utf8').catch(() => ''), 10);
  if (kept > 0 && kept < 65536 && (await isFree(kept))) return kept;
  return (await listenOnce(0)) as number;
}

/** Whether a server could listen on it now. */
async function isFree(port: number): Promise<boolean> {
  return (await listenOnce(port)) !== undefined;
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host: HOST, port, exclusive: true }, () => {
      const address = server.address();
      const got = typeof address === 'object' ? address?.port : undefined;
      server.close(() => resolve(got));
    });
  });
}
