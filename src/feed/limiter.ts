// Many callers that ask for the same: some wait for their turn (a semaphore), some share an answer (single-flight).

export interface Limiter {
  /** Does some work when it may, and gives what came of it. */
  take<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Whether the next one would come at once. */
  isFree(): boolean;
}

/** So many at a time, first come, first served: a caller that wants more goes to the end of the line. */
export function createLimiter(most: number): Limiter {
  const waiting: (() => void)[] = [];
  let busy = 0;
  return {
    isFree: () => busy < most,
    async take(work) {
      if (busy === most) await new Promise<void>(resolve => waiting.push(resolve));
      else busy++;
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next) next();
        else busy--;
      }
    },
  };
}

/** The next turn of the event loop: what has come in meanwhile goes first. */
export const nextOfLoop = () => new Promise<void>(resolve => setImmediate(resolve));

/** Those who ask for the same while it is under way share it: for what does not depend on when it is asked. */
export function singleFlightByRequest<Request, Result>(
  ask: (request: Request) => Promise<Result>,
): { ask(request: Request): Promise<Result>; forget(): void } {
  let coming = new Map<string, Promise<Result>>();
  return {
    ask(request) {
      const key = JSON.stringify(request);
      const among = coming;
      const pending = among.get(key) ?? ask(request).finally(() => among.delete(key));
      among.set(key, pending);
      return pending;
    },
    // What is under way goes to those who wait for it, and to no caller after them.
    forget() {
      coming = new Map();
    },
  };
}

/** Those who ask while an answer is under way share the one after it: theirs must not be older than their question. */
export function singleFlight<Result>(ask: () => Promise<Result>): () => Promise<Result> {
  let asking: Promise<Result> | undefined;
  let next: Promise<Result> | undefined;
  const begin = async () => {
    next = undefined;
    asking = ask();
    try {
      return await asking;
    } finally {
      asking = undefined;
    }
  };
  return () => {
    if (!asking) return begin();
    next ??= asking.then(begin, begin);
    return next;
  };
}
