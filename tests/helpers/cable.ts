// Something between service and database that can be cut, stalled and led elsewhere: real connections, really reset.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Cable {
  /** The address of the same database, through the cable. */
  through(url: string): string;
  /** Its connections are reset, and so is each that is tried until it is mended. The port stays its own meanwhile. */
  cut(): void;
  mend(): void;
  /** From now on no byte comes through, and nothing closes. */
  stall(): void;
  /** What was held back comes through, and all that follows. */
  unstall(): void;
  /** As stall(), but only for the connections there are, or were when it stalled: new ones come through. */
  strand(): void;
  /** New connections come to this server. */
  leadTo(server: URL): void;
}

/** A cable to the server at an address; it is whole at first. Has one port for good. */
export async function createCable(server: URL): Promise<Cable> {
  let target = server;
  let stalled = false;
  let isCut = false;
  const lines = new Set<Line>();
  const relay = createServer({ pauseOnConnect: true }, near => {
    if (isCut) return void near.on('error', () => {}).resetAndDestroy();
    const line = createLine(near, connect(Number(target.port), target.hostname));
    lines.add(line);
    near.on('close', () => lines.delete(line));
    if (!stalled) line.flow();
  });
  relay.listen(0, '127.0.0.1').unref();
  await once(relay, 'listening');
  const { port } = relay.address() as AddressInfo;
  return {
    through: url => Object.assign(new URL(url), { host: `127.0.0.1:${port}` }).href,
    cut: () => {
      stalled = false;
      isCut = true;
      for (const line of lines) line.reset();
    },
    mend: () => {
      isCut = false;
    },
    stall: () => {
      stalled = true;
      for (const line of lines) line.hold();
    },
    unstall: () => {
      stalled = false;
      for (const line of lines) line.flow();
    },
    strand: () => {
      stalled = false;
      for (const line of lines) line.hold();
    },
    leadTo: to => {
      target = to;
    },
  };
}

interface Line {
  flow(): void;
  hold(): void;
  reset(): void;
}

// A socket that is not read does not learn that its other end has closed.
function createLine(near: Socket, far: Socket): Line {
  const ways = [
    [near, far],
    [far, near],
  ] as const;
  for (const [from, to] of ways) from.on('error', () => {}).on('close', () => to.destroy());
  let flowing = false;
  return {
    flow: () => {
      if (flowing) return;
      flowing = true;
      for (const [from, to] of ways) from.pipe(to);
    },
    hold: () => {
      flowing = false;
      for (const [from, to] of ways) from.unpipe(to).pause();
    },
    reset: () => {
      near.resetAndDestroy();
      far.resetAndDestroy();
    },
  };
}
