// Waits for something that may never come.

/** Resolves when `work` has settled, or after so many milliseconds without it; a failure of `work` is its own affair. */
export async function settleWithin(milliseconds: number, work: Promise<unknown> | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([Promise.allSettled([work]), late]);
  clearTimeout(timer);
}
