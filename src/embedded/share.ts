// Who uses the server of a data folder: every process has a share from before it looks for the server until it is done,
// and the last one to leave stops the server. So no process loses its server, whichever started it.
//
// Two files meet. An owner takes its share away before it looks for other shares; a newcomer writes its share before it
// looks for the owner's. One of the two sees the other, at least: the server stays, or the newcomer waits.
import { randomUUID } from 'node:crypto';
import { access, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../logger.ts';
import { claimOwnership, livingOwner, livingParty, makeFolder, type Ownership, writeParty } from './owner.ts';

/** This process's part in the server, until leave(). */
export interface Share {
  readonly owns: boolean;
  /** Becomes the owner unless another living process is; whether it is now. */
  own(): Promise<boolean>;
  /** Whether the owner may be about to stop the server, so that no process may count on it. */
  isClosing(): Promise<boolean>;
  /** The owner keeps newcomers waiting until open(); whether no other process uses the server, and it may be stopped. */
  close(): Promise<boolean>;
  /** Undoes close(). */
  open(): Promise<void>;
  /** Gives it up. The last one stops the server with `halt`. */
  leave(halt: () => Promise<void>): Promise<void>;
}

const BETWEEN_LOOKS_MS = 20;
const PATIENCE_MS = 8_000; // with an owner that is about to stop the server

/** Takes part in the server of a data folder. `folder`, made if missing, is where owner and shares are recorded. */
export async function joinServer(folder: string, logger: Logger): Promise<Share> {
  const name = `share-${randomUUID()}`;
  let ownership: Ownership | undefined;
  let isOpen = true;
  await makeFolder(folder);
  await writeParty(folder, name);

  async function own(): Promise<boolean> {
    ownership ??= await claimOwnership(folder, name);
    return ownership !== undefined;
  }

  async function isClosing(): Promise<boolean> {
    const owner = await livingOwner(folder);
    return owner?.share !== undefined && !(await exists(join(folder, owner.share)));
  }

  async function takeShareAway(): Promise<void> {
    await rm(join(folder, name), { force: true });
    isOpen = false;
  }

  async function close(): Promise<boolean> {
    await takeShareAway();
    return !(await hasShares(folder));
  }

  // No claim can be written, as on a full disk: the process that leaves then stops the server all the same, if no other has it.
  async function isNobodys(error: unknown): Promise<boolean> {
    logger.warn({ err: error }, 'The data folder cannot be claimed');
    return (await livingOwner(folder)) === undefined;
  }

  // An owner that is not closing leaves later than this, and sees who is left then; one that is may have seen our share.
  async function ownUnlessOthersDo(): Promise<boolean> {
    for (const deadline = Date.now() + PATIENCE_MS; !(await own()); await delay(BETWEEN_LOOKS_MS)) {
      const someoneOwns = (await livingOwner(folder)) !== undefined;
      if (someoneOwns && (!(await isClosing()) || Date.now() > deadline)) return false;
    }
    return true;
  }

  return {
    get owns() {
      return ownership !== undefined;
    },
    own,
    isClosing,
    close,
    async open() {
      if (!isOpen) await writeParty(folder, name);
      isOpen = true;
    },
    async leave(halt) {
      await takeShareAway();
      if (!(await ownUnlessOthersDo().catch(isNobodys))) return;
      try {
        if (!(await hasShares(folder))) await halt();
      } finally {
        // One that cannot be given back, as on a full disk, ends with this process.
        await ownership
          ?.release()
          .catch(error => logger.warn({ err: error }, 'The data folder stays claimed'));
        ownership = undefined;
      }
    },
  };
}

async function hasShares(folder: string): Promise<boolean> {
  const names = (await readdir(folder)).filter(name => name.startsWith('share-'));
  const parties = await Promise.all(names.map(name => livingParty(folder, name)));
  // What killed processes have left belongs to none any more: a name is given once.
  await Promise.all(names.map((name, at) => parties[at] ?? rm(join(folder, name), { force: true })));
  return parties.some(party => party !== undefined);
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
