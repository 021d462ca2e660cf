// A wait that can be cut short. One waits at a time; the one that is woken looks for itself why.

interface Waiter {
  wait(milliseconds: number): Promise<void>;
  wake(): void;
  /** No wait from now on. */
  end(): void;
  readonly ended: boolean;
}

export function createWaiter(): Waiter {
  let wake = () => {};
  let ended = false;
  return {
    wait: milliseconds =>
      new Promise(resolve => {
        if (ended) return resolve();
        const timer = setTimeout(resolve, milliseconds);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    wake: () => wake(),
    end: () => {
      ended = true;
      wake();
    },
    get ended() {
      return ended;
    },
  };
}
