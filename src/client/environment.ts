// What the client needs of where it runs, the same in a browser and in Node.

/** The part of a WebSocket that is used, a browser's, Node's or that of the package ws. */
export interface Socket {
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
  close(): void;
}

/** What connect() takes. */
export interface Options {
  /** Where the service is; in a page, `/` for where the page is from. */
  url: string;
  /** Who asks: a token, or how to get one. It is asked for once more when the service says that it has gone. */
  token?: string | (() => Promise<string>) | undefined;
  /** Where changes that the service has yet to confirm are kept, such as localStorage. */
  storage?: Storage | undefined;
  /** Without it the global one, which Node has from version 22 on. */
  WebSocket?: (new (url: string, protocols?: string[]) => Socket) | undefined;
  /** Is told what nobody awaits: by default it goes to the console. */
  onError?: ((error: Error) => void) | undefined;
}

/** The options, with what was left out. */
export interface Environment {
  /** Without a slash at its end. */
  url: string;
  token: Credentials;
  storage: Storage | undefined;
  Socket: new (url: string, protocols?: string[]) => Socket;
  report(error: Error): void;
  /** Calls back when there is a network again, and when the page is shown again. */
  onWake(wake: () => void): void;
  close(): void;
}

/** The token, asked for when it is needed first, and again once when it was refused. */
interface Credentials {
  get(): Promise<string | undefined>;
  /** Whether there is another one to try. */
  refused(): boolean;
  accepted(): void;
}

type Page = Partial<EventTarget> & {
  document?: EventTarget & { hidden: boolean };
  location?: { href: string };
};

/** Fills in what the options leave out. */
export function createEnvironment(options: Options): Environment {
  const page = globalThis as unknown as Page;
  const Socket = options.WebSocket ?? (globalThis.WebSocket as unknown as Environment['Socket'] | undefined);
  if (!Socket) throw new TypeError('WebSocket');
  const ending = new AbortController();
  const { signal } = ending;
  return {
    url: new URL(options.url, page.location?.href).href.replace(/\/$/, ''),
    token: createCredentials(options.token),
    storage: options.storage,
    Socket,
    report: options.onError ?? console.error,
    onWake(act) {
      const wake = () => page.document?.hidden || act();
      page.addEventListener?.('online', wake, { signal });
      page.document?.addEventListener('visibilitychange', wake, { signal });
    },
    close: () => ending.abort(),
  };
}

function createCredentials(token: Options['token']): Credentials {
  let current: Promise<string | undefined> | undefined;
  let isNew = false;
  return {
    get() {
      current ??= Promise.resolve(typeof token === 'function' ? token() : token);
      current.catch(() => {
        current = undefined;
      });
      return current;
    },
    refused() {
      if (typeof token !== 'function' || isNew) return false;
      isNew = true;
      current = undefined;
      return true;
    },
    accepted() {
      isNew = false;
    },
  };
}

/** How long to wait before the next attempt, in ms: 0.25 to 30 s, twice as long each time, and never the same for all. */
export function backOff(failures: number): number {
  return Math.min(30_000, 500 * 2 ** failures) * (1 + Math.random()) * 0.5;
}
