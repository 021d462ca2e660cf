// Programs that some tests need and npm does not bring. Where one is not installed these tests are skipped, and say so; in
// CI, which installs them all, they fail.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Implementation, TestFn } from 'ava';

// Debian puts servers where only root looks by itself.
const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin'];

/** Where the first of these programs that is installed lies; undefined where none is. */
export function findProgram(...names: readonly string[]): string | undefined {
  return names.flatMap(name => FOLDERS.map(folder => join(folder, name))).find(path => existsSync(path));
}

/** Chromium, by whichever name. */
export const CHROMIUM = findProgram('chromium', 'chromium-browser', 'google-chrome');

/** What makes the tests that need a program; `missing` is said where there is none. */
export function testsWith(test: TestFn, program: string | undefined, missing: string) {
  if (program === undefined && !process.env.CI) process.stderr.write(`\n!!! SKIPPED, because ${missing}\n\n`);
  return (title: string, body: Implementation<[], unknown>): void => {
    if (program !== undefined) test(title, body as Implementation<[]>);
    else if (process.env.CI) test(title, t => t.fail(missing));
    else test.skip(title, body as Implementation<[]>);
  };
}
