// Waiting for what announces itself to nobody.
import { setTimeout as delay } from 'node:timers/promises';

/** Looks again and again until it sees what it waits for, and gives it; a test's own timeout ends it otherwise. */
export async function until<Value>(
  look: () => Value | Promise<Value>,
  isIt: (value: Value) => boolean = Boolean,
): Promise<NonNullable<Value>> {
  for (;;) {
    const value = await look();
    if (isIt(value)) return value as NonNullable<Value>;
    await delay(10);
  }
}
