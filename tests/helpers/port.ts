// Ports that a test can come back to.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below what systems hand out by themselves, so that nobody gets it while it is left for a moment.
const [FIRST, COUNT] = [20_000, 12_000];

/** A port of loopback that is free, and stays so while nobody listens on it. */
export async function findLastingPort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if ((await reserve(port)) && (await isFree(port))) return port;
  }
}

// Other tests, in this process or another, do not take it: to them the UDP port of the same number says that it is
// somebody's, for as long as this process lives.
async function reserve(port: number): Promise<boolean> {
  const sign = createSocket({ type: 'udp4' }).unref();
  try {
    sign.bind({ port, address: '127.0.0.1', exclusive: true });
    await once(sign, 'listening');
    return true;
  } catch (error) {
    sign.close();
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return false;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ port, host: '127.0.0.1', exclusive: true });
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
