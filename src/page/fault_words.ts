// Why something does not work, in words.
import type { Speech } from './format.ts';
import { Refusal } from './service.ts';

/** What went wrong, in words. */
export function wordsFor(error: unknown, { words }: Speech): string {
  const { status = 0, detail, message } = error as { status?: number; detail?: string; message?: string };
  if (error instanceof Refusal && status === 0) return words.serverAway;
  if (status === 403) return `${words.mayNot} ${detail ?? message ?? ''}`.trim();
  if (status === 410) return words.gonePast;
  return detail || message || String(error);
}

/** Why something is not allowed: it names the scope. */
export function lacking(scope: string, { words }: Speech): string {
  return `${words.mayNot} (${scope})`;
}
