// Room in the log ahead of its numbering: the next partition is there before it is needed.
import { z } from 'zod';
import type { Logger } from '../logger.ts';
import { createOutage } from '../outage.ts';
import type { LeaderSession } from './leader_session.ts';

/** The room that the log has, as the leader knows it. */
export interface Partitions {
  /** Positions up to this one have been given: makes another partition if there is not enough room beyond. */
  numbered(position: number): Promise<void>;
  /** Makes room for all that is staged: numbering found none. */
  makeRoom(): Promise<void>;
}

const BRIEFLY = '200ms';

const Size = z.tuple([z.object({ head: z.number(), size: z.number() })]);
const Made = z.tuple([z.object({ made: z.number() })]);

/** Looks after the room on the leader's session, from which it is called between two looks; see sql/sequence/make_room.sql. */
export async function createPartitions(session: LeaderSession, logger: Logger): Promise<Partitions> {
  const { rows } = await session.queryPatiently(`
    SELECT (SELECT last_position FROM feed.event_batches ORDER BY id DESC LIMIT 1)::float8 AS head, partition_size::float8 AS size
    FROM feed.log`);
  const [{ head, size }] = Size.parse(rows);
  let enough = 0; // up to here nothing need be looked at
  const outage = createOutage(logger, {
    begun: 'the log does not get its next partition, and has room left',
    ended: 'the log gets its partitions again',
  });

  // A whole partition beyond what is given, looked at every half of one.
  async function numbered(position: number): Promise<void> {
    if (position < enough) return;
    try {
      // There is room: numbering does not wait for a session that works on the log's definition.
      const made = await makeRoom(false, BRIEFLY);
      if (made > 0) logger.info({ made, position }, 'the log has got its next partition');
      enough = position + size / 2;
      outage.end();
    } catch (error) {
      outage.begin(error); // a session that was lost the next look meets
      enough = position + size / 100;
    }
  }

  async function makeRoom(staged: boolean, wait: string): Promise<number> {
    const { rows: made } = await session.queryPatiently(
      `SELECT feed.make_room(${staged}) AS made FROM (SELECT set_config('lock_timeout', '${wait}', false) OFFSET 0) AS set`,
    );
    return Made.parse(made)[0].made;
  }

  await numbered(head);
  return {
    numbered,
    async makeRoom() {
      const made = await makeRoom(true, '0');
      logger.info({ made }, 'the log had no partition for what was to be numbered: it was made first');
    },
  };
}
