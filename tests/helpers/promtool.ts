// promtool, which knows Prometheus's own language (Debian: `apt-get install prometheus`). Where it is not installed the tests
// that need it are skipped, and say so; in CI they fail.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { findProgram, testsWith } from './program.ts';

const MISSING = 'there is no promtool: apt-get install prometheus';
const program = findProgram('promtool');

/** A test that needs promtool. */
export const withPromtool = testsWith(test, program, MISSING);

/** Runs it in a folder of its own, in which these files are; what it said, and whether it was content. */
export async function promtool(
  args: readonly string[],
  files: Readonly<Record<string, string>>,
): Promise<{ isContent: boolean; output: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-promtool-'));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return await new Promise(resolve => {
      execFile(program ?? 'promtool', args, { cwd: folder }, (error, stdout, stderr) =>
        resolve({ isContent: error === null, output: stdout + stderr }),
      );
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}
