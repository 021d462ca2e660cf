// Ports that a test can come back to.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

// Below what this system hands out by itself, a connection's own end included: else any connection of any process may get
// it while it is left for a moment.
const [FIRST, LAST] = [10_000, Math.max(firstHandedOut(), 12_000) - 1];

/** A port of loopback that is free, and stays so while nobody listens on it. */
export async function findLastingPort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if ((await reserve(port)) && (await isFree(port))) return port;
  }
}

// ip(7), ip_local_port_range; what is no Linux begins at 49152 (RFC 6335, 6).
function firstHandedOut(): number {
  try {
    return Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 49_152;
    throw error;
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
