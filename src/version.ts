// What version of the service this is, as package.json says.
import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** Read once, when it is first asked for. */
export function readVersion(): string {
  version ??= Package.parse(
    JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')),
  ).version;
  return version;
}

const Package = z.object({ version: z.string() });
let version: string | undefined;
