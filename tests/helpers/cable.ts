// Something between service and database that can be cut: real connections, really reset.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Cable {
  /** The address of the same database, through the cable. */
  through(url: string): string;
  cut(): Promise<void>;
  mend(): Promise<void>;
}

/** A cable to the server at an address; it is whole at first. */
export async function createCable(server: URL): Promise<Cable> {
  const sockets = new Set<Socket>();
  const relay = createServer(near => {
    const far = connect(Number(server.port), server.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {}).on('close', () => to.destroy());
      from.pipe(to);
    }
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const { port } = relay.address() as AddressInfo;
  return {
    through: url => Object.assign(new URL(url), { host: `127.0.0.1:${port}` }).href,
    cut: async () => {
      relay.close();
      for (const socket of sockets) socket.resetAndDestroy();
      sockets.clear();
      await once(relay, 'close');
    },
    mend: async () => {
      relay.listen(port, '127.0.0.1');
      await once(relay, 'listening');
    },
  };
}
