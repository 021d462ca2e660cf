// Waits for something that may never come.

/**
 * What `work` comes to, or undefined after so many milliseconds without it. Its failure is thrown, unless it comes later:
 * then it is its own affair.
 */
export async function within<Value>(
  milliseconds: number,
  work: Promise<Value> | undefined,
): Promise<Value | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), milliseconds);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when `work` has settled, or after so many milliseconds without it; a failure of `work` is its own affair. */
export async function settleWithin(milliseconds: number, work: Promise<unknown> | undefined): Promise<void> {
  await within(milliseconds, Promise.allSettled([work]));
}
