// The token: asked for when the service says that it wants one, and kept for as long as the tab is open.
import { askForToken } from './dialogs.ts';
import type { Speech } from './format.ts';

const KEY = 'taskwire token';

/** Who the page is to the service. */
export interface Access {
  readonly token: string | undefined;
  /** The token as it is; when it is asked for again, because it was refused, another one, which the service knows. */
  get(): Promise<string>;
  /** Asks the person, once for all that wait. */
  renew(): Promise<string>;
  forget(): void;
}

/** Begins with the token that this tab was given before, or with none: a service that wants none never asks. */
export function createAccess(root: HTMLElement, speech: Speech): Access {
  let token = sessionStorage.getItem(KEY) ?? undefined;
  let asking: Promise<string> | undefined;
  let wasGiven = false;

  async function ask(): Promise<string> {
    for (let given = token; ; ) {
      given = await askForToken(root, speech, given !== undefined);
      const answer = await fetch('/events?limit=1', { headers: { Authorization: `Bearer ${given}` } }).catch(
        () => undefined,
      );
      if (answer?.status === 401) continue;
      token = given;
      sessionStorage.setItem(KEY, given);
      asking = undefined;
      return given;
    }
  }

  return {
    get token() {
      return token;
    },
    async get() {
      const isFirst = !wasGiven;
      wasGiven = true;
      return isFirst ? (token ?? '') : this.renew();
    },
    renew() {
      asking ??= ask();
      return asking;
    },
    forget() {
      sessionStorage.removeItem(KEY);
      location.reload();
    },
  };
}
