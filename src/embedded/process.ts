// Which process a pid means: the number together with the moment it started, because systems give numbers out again.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/**
 * A text that no other process, before or after, shares with this pid; undefined when no such process runs.
 * A zombie counts as gone: it answers `kill(pid, 0)` for as long as its parent, such as a container's pid 1, ignores it.
 */
export async function processStamp(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') return linuxStamp(pid);
  if (process.platform !== 'win32') return psStamp(pid);
  // Untested: Windows tells a start time only through slow tools, so there a living pid is taken at its word.
  return answersSignals(pid) ? 'running' : undefined;
}

/** This process's own stamp. */
export async function ownStamp(): Promise<string> {
  const stamp = await processStamp(process.pid);
  if (!stamp) throw new Error('The system does not tell when this process started');
  return stamp;
}

/** Undefined for what is not there, or has just gone; throws what else went wrong. */
export function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ESRCH') throw error;
}

// The start is counted from boot, so the boot has to be part of it: after a restart the same pid may start at the same tick.
async function linuxStamp(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(unlessGone);
  if (!stat) return undefined;
  // The command's name stands in parentheses and may hold anything, spaces and parentheses included.
  const [state = 'X', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if ('ZXx'.includes(state)) return undefined;
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return `${boot.trim()}/${fields[18]}`;
}

// macOS (untested there): the state comes first, so that a zombie can be told.
async function psStamp(pid: number): Promise<string | undefined> {
  const answer = await promisify(execFile)('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
    env: { ...process.env, LC_ALL: 'C' },
  }).catch(() => undefined);
  const [state, ...started] = answer?.stdout.trim().split(/\s+/) ?? [];
  return !state || state.startsWith('Z') ? undefined : started.join(' ');
}

function answersSignals(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
