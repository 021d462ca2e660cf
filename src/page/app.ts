// What every panel is given.
import type { Access } from './access.ts';
import type { Changes } from './changes.ts';
import type { Speech } from './format.ts';
import type { Live } from './live.ts';
import type { Notices } from './notices.ts';
import type { Watched } from './paint.ts';
import type { Service } from './service.ts';

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
