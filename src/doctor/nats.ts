// NATS, where there is one: whether it answers, and what it brought in vain.
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { z } from 'zod';
import { optionsFor } from '../nats/connection.ts';
import { askOne, number, type Patient } from './patient.ts';
import { fine, note, type Remark, wrong } from './remark.ts';

/** Whether NATS takes this user, and has JetStream. */
export async function lookAtNats({ service, settings: { natsUrl } }: Patient): Promise<Remark[]> {
  if (natsUrl === undefined) return [];
  const say = (text: string, advice: string) => wrong('NATS', text, { advice, section: 'nats-is-away' });
  const connection = await connect(optionsFor(natsUrl, service)).catch((error: unknown) => error);
  if (!isConnection(connection))
    return [
      say(
        `${new URL(natsUrl).host} takes no connection: ${connection instanceof Error ? connection.message : connection}`,
        'look whether it runs, and at NATS_URL',
      ),
    ];
  try {
    await jetstreamManager(connection);
    return [fine('NATS', `version ${connection.info?.version}, with JetStream`)];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [say(`JetStream cannot be used: ${reason}`, 'enable it (nats-server -js), also for this account')];
  } finally {
    await connection.close();
  }
}

const isConnection = (found: unknown): found is Awaited<ReturnType<typeof connect>> =>
  typeof found === 'object' && found !== null && 'getServer' in found;

/** Messages of NATS that could not be taken in the last day. */
export async function lookAtRejected({ session, settings }: Patient): Promise<Remark[]> {
  if (settings.natsUrl === undefined) return [];
  const { rejected } = await askOne(
    session,
    z.object({ rejected: number }),
    `SELECT count(*) AS rejected FROM public.rejected_messages WHERE received_at > now() - interval '1 day'`,
  );
  if (rejected === 0) return [fine('messages', 'none was rejected in the last day')];
  return [
    note('messages', `${rejected} of NATS were rejected in the last day`, {
      advice: 'rejected_messages has them, each with its reason: tell their sender',
      section: 'messages-of-nats-are-rejected',
    }),
  ];
}
