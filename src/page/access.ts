// Who the page is to the service: the token, asked for when the service wants one and kept for as long as the tab is
// open, and what it allows.
import { askForToken } from './dialogs.ts';
import type { Speech } from './format.ts';

const KEY = 'taskwire token';

/** What a client may do, as GET /access tells it. */
export interface Allowed {
  token: { id: string; name: string } | null;
  scopes: readonly string[];
}

/** Who the page is to the service. */
export interface Access {
  readonly token: string | undefined;
  /** Undefined where the service asks nobody. */
  readonly allowed: Allowed | undefined;
  allows(scope: string): boolean;
  /** The token as it is; when it is asked for again, because it was refused, the person is asked. */
  get(): Promise<string>;
  /** Asks the person, once for all that wait; with the answer the page begins anew, so this never resolves. */
  renew(): Promise<string>;
  forget(): void;
}

/** Begins with the token that this tab was given before, or with none: a service that wants none never asks. */
export async function createAccess(root: HTMLElement, speech: Speech): Promise<Access> {
  const token = sessionStorage.getItem(KEY) ?? undefined;
  let asking: Promise<string> | undefined;
  let wasGiven = false;

  async function ask(): Promise<string> {
    for (let isAgain = token !== undefined; ; isAgain = true) {
      const given = await askForToken(root, speech, isAgain);
      if ((await whoIs(given)) === 'unknown') continue;
      sessionStorage.setItem(KEY, given);
      location.reload();
      await new Promise(() => {});
    }
  }

  const renew = () => {
    asking ??= ask();
    return asking;
  };
  // Only who has a token waits for what it allows: else there is nothing to know.
  const found = token === undefined ? undefined : await whoIs(token);
  if (found === 'unknown') await renew();
  const allowed = typeof found === 'object' ? found : undefined;
  return {
    token,
    allowed,
    allows: scope => allowed === undefined || allowed.scopes.includes(scope),
    async get() {
      const isFirst = !wasGiven;
      wasGiven = true;
      return isFirst ? (token ?? '') : renew();
    },
    renew,
    forget() {
      sessionStorage.removeItem(KEY);
      location.reload();
    },
  };
}

// What a token allows; undefined where it cannot be asked now.
async function whoIs(token: string): Promise<Allowed | 'unknown' | undefined> {
  const headers = { Authorization: `Bearer ${token}` };
  const answer = await fetch('/access', { headers }).catch(() => undefined);
  if (answer?.status === 401) return 'unknown';
  return answer?.ok ? answer.json() : undefined;
}
