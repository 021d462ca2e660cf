// Which tokens there are, kept in this instance's memory, so that no request asks the database. The table is the truth: it is asked for
// again as soon as its trigger's NOTIFY is heard, and three times a second whether or not the listener hears anything: a
// connection that has silently died would tell of no revocation. While the table cannot be read for longer, nobody is let in.
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { ServiceError } from '../errors.ts';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { createOutage } from '../outage.ts';
import type { TokenUse, ValidToken } from '../queries/tokens.ts';
import { type Access, type Caller, unauthenticated } from '../web/access.ts';
import { within } from '../within.ts';
import { readCredentials } from './credentials.ts';
import { hashOf, readTokenId } from './token.ts';

const ASK_EVERY = 300; // ms: with a query's time, and that of closing many sockets, it stays below a second
const ANSWER_WITHIN = 1_000; // ms: a connection that has silently died keeps no revocation back
const NEW_EVERY = 100; // ms: as often may tokens that are not known make the database be asked
const KNOWN_FOR = 10_000; // ms that what was read last may be relied on
const NOTE_EVERY = 60_000; // ms

interface TokenStoreOptions {
  /** All valid tokens; `undefined` instead if the table is as it was when it was in `known`. */
  read(known: string | undefined): Promise<{ state: string; tokens: readonly ValidToken[] | undefined }>;
  /** Keeps that these tokens were used so many seconds ago. */
  note(uses: readonly TokenUse[]): Promise<void>;
  /** For how many ms what was read last may be relied on (10,000). */
  knownFor?: number;
  logger: Logger;
}

/** start() reads the tokens and goes on; it throws while there is no database. */
export interface TokenStore extends Service, Access {
  /** The table may have changed: it is asked at once. */
  hear(): void;
  /** What is wrong, in a sentence, while nobody can be let in. */
  readonly obstacle: string | undefined;
}

interface Held {
  hash: Buffer;
  /** By this process's clock, in ms. */
  expires: number;
  caller: Caller;
  end(): void;
}

/** The tokens of an instance. */
export function createTokenStore({
  read,
  note,
  knownFor = KNOWN_FOR,
  logger,
}: TokenStoreOptions): TokenStore {
  const outage = createOutage(logger, {
    begun: 'the tokens cannot be read: in ten seconds nobody is let in any more',
    ended: 'the tokens can be read again',
  });
  const held = new Map<string, Held>();
  const used = new Map<string, number>(); // ids, and when
  let state: string | undefined;
  let known = Number.NEGATIVE_INFINITY; // when what is held was so
  let asked = known; // when the database was asked last
  let asking: Promise<void> | undefined;
  let renewing: Promise<void> | undefined;
  let isStale = false; // what is being read may be older than what was heard
  let timers: NodeJS.Timeout[] = [];

  function take(tokens: readonly ValidToken[], at: number): void {
    const valid = new Map(tokens.map(token => [token.id, token]));
    for (const [id, { caller, hash }] of held) {
      const found = valid.get(id);
      if (!found || !isSame(found, caller, hash)) end(id);
    }
    for (const token of tokens) {
      const expires = token.expires_in === null ? Number.POSITIVE_INFINITY : at + token.expires_in;
      const there = held.get(token.id);
      if (there) there.expires = expires;
      else held.set(token.id, hold(token, expires));
    }
  }

  function end(id: string): void {
    const ended = held.get(id);
    held.delete(id);
    ended?.end();
  }

  function endExpired(): void {
    const now = performance.now();
    for (const [id, { expires }] of held) if (expires <= now) end(id);
  }

  async function ask(patience = ANSWER_WITHIN): Promise<void> {
    do {
      isStale = false;
      const at = performance.now();
      asked = at;
      const found = await within(patience, read(state));
      if (!found) throw new Error('the database did not answer in time');
      if (found.tokens) take(found.tokens, at);
      state = found.state;
      known = at;
    } while (isStale);
    outage.end();
  }

  function hear(): void {
    isStale = true;
    asking ??= ask()
      .catch((error: unknown) => outage.begin(error))
      .finally(() => {
        asking = undefined;
      });
  }

  async function noteUse(): Promise<void> {
    if (used.size === 0) return;
    const uses = [...used];
    used.clear();
    const now = performance.now();
    await note(uses.map(([id, at]) => ({ id, seconds: (now - at) / 1_000 }))).catch((error: unknown) => {
      for (const [id, at] of uses) if (!used.has(id)) used.set(id, at);
      logger.debug({ err: error }, 'that tokens were used could not be noted');
    });
  }

  // A token that is not known may have been made a moment ago. All that are not wait together, so that their number is
  // nothing to the database; what was being read when one came may be too old for it.
  async function askAgain(): Promise<void> {
    const came = performance.now();
    for (let tries = 0; tries < 2 && known < came; tries++) {
      renewing ??= renew().finally(() => {
        renewing = undefined;
      });
      await renewing;
    }
  }

  async function renew(): Promise<void> {
    await asking;
    await pause(Math.max(0, asked + NEW_EVERY - performance.now()));
    hear();
    await asking;
  }

  const isKnown = () => performance.now() - known < knownFor;

  return {
    name: 'tokens',
    isAsked: true,
    get obstacle() {
      return isKnown() ? undefined : 'the tokens cannot be read: what needs one is refused';
    },
    hear,
    async identify(request: IncomingMessage) {
      const text = readCredentials(request);
      const id = readTokenId(text);
      if (id === undefined) throw unauthenticated('this is no token: it was mistyped or cut off');
      if (!isKnown())
        throw new ServiceError('unavailable', 'it cannot be known now which tokens are valid; try again', {
          headers: { 'Retry-After': '1' },
        });
      if (!held.has(id)) await askAgain();
      const found = held.get(id);
      if (!found || !timingSafeEqual(found.hash, hashOf(text)) || found.expires <= performance.now())
        throw unauthenticated('the token is not known here, was revoked, or has expired');
      used.set(id, performance.now());
      return found.caller;
    },
    async start() {
      await ask(KNOWN_FOR);
      if (held.size === 0) logger.warn('no token is valid: make one with npm run token -- create');
      const every = (period: number, work: () => void) => setInterval(work, period);
      timers = [
        every(ASK_EVERY, () => {
          endExpired();
          if (!asking) hear();
        }),
        every(NOTE_EVERY, () => {
          state = undefined; // all is read anew: this process's clock and the database's may have parted
          void noteUse();
        }),
      ];
    },
    async stop() {
      for (const timer of timers) clearInterval(timer);
      timers = [];
      await asking;
      await noteUse();
    },
  };
}

function hold({ id, hash, name, scopes }: ValidToken, expires: number): Held {
  const listeners = new Set<() => void>();
  let hasEnded = false;
  const whenEnded = (listener: () => void) => {
    if (hasEnded) listener();
    else listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  const end = () => {
    hasEnded = true;
    for (const listener of [...listeners]) listener();
  };
  return { hash, expires, end, caller: { token: { id, name }, scopes, whenEnded } };
}

// A client whose token was changed comes again, and may what the token allows now.
function isSame(found: ValidToken, { token, scopes }: Caller, hash: Buffer): boolean {
  const same = found.name === token?.name && found.hash.equals(hash);
  return same && found.scopes.length === scopes.length && found.scopes.every(scope => scopes.includes(scope));
}
