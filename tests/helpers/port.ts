// Ports that a test can come back to.
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below what systems hand out by themselves, so that nobody gets it while it is left for a moment.
const [FIRST, COUNT] = [20_000, 12_000];

/** A port of loopback that is free, and stays so while nobody listens on it. */
export async function findLastingPort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (await isFree(port)) return port;
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
