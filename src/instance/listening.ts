// Where the instance listens, and words for when it cannot.
import { createServer, type Server } from 'node:http';
import { Server as TcpServer } from 'node:net';
import { ServiceError } from '../errors.ts';
import { nextOfLoop } from '../feed/limiter.ts';

export interface ListenAddress {
  host: string;
  port: number;
}

const MOST_TURNS = 1_000;

/**
 * Takes no more connections. To close resets those that the kernel has taken and Node has not, and a proxy does not send
 * a POST again that may have arrived: so it closes in a turn of the event loop in which none has come.
 */
export async function stopListening(server: Server): Promise<void> {
  let came = false;
  const note = () => {
    came = true;
  };
  server.on('connection', note);
  await nextOfLoop(); // wherever in a turn this was called
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    came = false;
    await nextOfLoop();
    if (!came) break;
  }
  // Not as http's Server would: it cuts off answers that have ended and are yet to be sent.
  TcpServer.prototype.close.call(server);
  server.off('connection', note);
}

/**
 * Finds out at once what would otherwise come up after a database was started and migrated: that the instance cannot listen
 * there. Another may still take the port meanwhile; then listening fails, with the same words.
 */
export async function checkListening(place: ListenAddress): Promise<void> {
  const server = createServer();
  await listen(server, place);
  await new Promise(resolve => server.close(resolve));
}

export function listen(server: Server, { host, port }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => reject(explain(error, { host, port }));
    server.once('error', fail);
    server.listen(port, host, () => {
      server.off('error', fail);
      resolve();
    });
  });
}

function explain(error: NodeJS.ErrnoException, { host, port }: ListenAddress): ServiceError {
  const reason =
    error.code === 'EADDRINUSE'
      ? `PORT ${port} of ${host} is taken by another program, or another instance: set PORT to a free one, or to 0`
      : `nobody can listen on HOST ${host}, PORT ${port} here (${error.code})`;
  return new ServiceError('unfit_settings', reason, { cause: error });
}
