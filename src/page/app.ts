// What every panel is given.
import type { Access } from './access.ts';
import type { Changes } from './changes.ts';
import type { Speech } from './format.ts';
import type { Live } from './live.ts';
import type { Notices } from './notices.ts';
import type { Watched } from './paint.ts';
import { Refusal, type Service } from './service.ts';

export interface App {
  speech: Speech;
  access: Access;
  live: Live;
  service: Service;
  notices: Notices;
  changes: Changes;
  /** The position that everything is shown as of; undefined for now. */
  moment: Watched<number | undefined>;
}

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
