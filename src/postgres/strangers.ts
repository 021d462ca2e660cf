// Sessions of others on the service's advisory locks, which are open to every role that may connect: ended where the
// service may, else named, in the log and in readiness.
import { z } from 'zod';
import type { Logger } from '../logger.ts';
import type { LockSession } from './lock_session.ts';

export interface Strangers {
  /** Looks who is on the lock of a purpose that could not be had; true if one was ended, and the lock may be free. */
  end(session: LockSession): Promise<boolean>;
  /** There is none any more. */
  gone(): void;
  /** Who is still there, as a sentence for an operator. */
  readonly present: string | undefined;
}

const Found = z.array(
  z.object({
    pid: z.number().nullable(),
    role: z.string().nullable(),
    application: z.string().nullable(),
    ended: z.boolean(),
  }),
);

/** `lock` names what they keep from its holder. See sql/shared/end_strangers.sql. */
export function createStrangers(options: { purpose: string; lock: string; logger: Logger }): Strangers {
  const { purpose, lock, logger } = options;
  let present: string | undefined;
  return {
    async end(session) {
      const { rows } = await session.ask('SELECT * FROM feed.end_strangers($1)', [purpose]);
      const [ended, staying] = partition(Found.parse(rows));
      for (const { pid, role, application } of ended)
        logger.warn(
          { pid, role, application },
          `a session that is not of the service held ${lock}: it was ended`,
        );
      const before = present;
      present = staying.length === 0 ? undefined : describe(lock, staying);
      if (present !== undefined && present !== before) logger.error(present);
      return ended.length > 0;
    },
    gone() {
      if (present !== undefined) logger.info(`${lock} is free again`);
      present = undefined;
    },
    get present() {
      return present;
    },
  };
}

type Found = z.infer<typeof Found>;

function partition(found: Found): [Found, Found] {
  return [found.filter(({ ended }) => ended), found.filter(({ ended }) => !ended)];
}

function describe(lock: string, found: Found): string {
  const who = found.map(({ pid, role, application }) =>
    pid === null
      ? `a prepared transaction of the role ${role}`
      : `pid ${pid}, role ${role}, application "${application}"`,
  );
  return `${lock} is held by a session that is not of the service, and which it may not end: ${who.join('; ')}`;
}
