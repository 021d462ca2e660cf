// Where the instance listens, and words for when it cannot.
import { createServer, type Server } from 'node:http';
import { ServiceError } from '../errors.ts';
import type { Service } from '../lifecycle.ts';

export interface Place {
  host: string;
  port: number;
}

/** An HTTP server as a part of the process: start() listens, stop() gives requests under way three seconds. */
export function listening(server: Server, place: Place): Service {
  return {
    name: 'http',
    start: () => listen(server, place),
    stop: () =>
      new Promise(resolve => {
        const cut = setTimeout(() => server.closeAllConnections(), 3_000);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

/**
 * Finds out at once what would otherwise come up after a database was started and migrated: that nobody can listen
 * there. Another may still take the port meanwhile; then listening fails, with the same words.
 */
export async function tryPlace(place: Place): Promise<void> {
  const server = createServer();
  await listen(server, place);
  await new Promise(resolve => server.close(resolve));
}

function listen(server: Server, { host, port }: Place): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => reject(explain(error, { host, port }));
    server.once('error', fail);
    server.listen(port, host, () => {
      server.off('error', fail);
      resolve();
    });
  });
}

function explain(error: NodeJS.ErrnoException, { host, port }: Place): ServiceError {
  const reason =
    error.code === 'EADDRINUSE'
      ? `PORT ${port} of ${host} is taken by another program, or another instance: set PORT to a free one, or to 0`
      : `nobody can listen on HOST ${host}, PORT ${port} here (${error.code})`;
  return new ServiceError('unfit_settings', reason, { cause: error });
}
