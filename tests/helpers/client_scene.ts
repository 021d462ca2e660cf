// The client in a world of its own: its clock runs faster and can be put forward, and its page is hidden and shown.
import { bundle } from '../../src/api_docs/client_script.ts';
import type { connect } from '../../src/client/client.ts';

export interface ClientScene {
  connect: typeof connect;
  /** The clock goes on by so many ms of the client's at once, and its timers are late by as much: the machine slept. */
  skip(ms: number): void;
  /** From now on the clock runs as everybody's does. */
  calm(): void;
  /** Says to the page what a browser does. */
  say(event: 'online' | 'visibilitychange'): void;
}

/** Loads the script that the service serves, with a clock that runs `speed` times as fast. */
export async function loadClient(options: { speed?: number } = {}): Promise<ClientScene> {
  let { speed = 1 } = options;
  const script = await bundle(new URL('../../src/client/client.ts', import.meta.url));
  const body = script.replaceAll(/^export \{.*\};$/gm, '').replaceAll(/^export (?=\w)/gm, '');
  let began = Date.now();
  const page = new EventTarget();
  const document = Object.assign(new EventTarget(), { hidden: false });
  let skipped = 0; // at `began`, beyond everybody's clock
  const now = () => began + (Date.now() - began) * speed + skipped;
  const world = {
    setTimeout: (act: () => void, ms: number) => setTimeout(act, ms / speed),
    clearTimeout,
    AbortSignal: { timeout: (ms: number) => AbortSignal.timeout(ms / speed) },
    Date: class extends Date {
      static override now(): number {
        return now();
      }
    },
    globalThis: {
      WebSocket,
      document,
      addEventListener: page.addEventListener.bind(page),
    },
  };
  const make = new Function(...Object.keys(world), `${body}\nreturn connect;`);
  return {
    connect: make(...Object.values(world)),
    skip: ms => {
      skipped += ms;
    },
    calm: () => {
      skipped = now() - Date.now();
      began = Date.now();
      speed = 1;
    },
    say: event => void (event === 'online' ? page : document).dispatchEvent(new Event(event)),
  };
}
