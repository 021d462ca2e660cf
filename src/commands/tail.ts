// `npm run tail -- [--topic tasks] [--after N]`: prints events in a terminal, for people, until Ctrl-C.
import { parseArgs } from 'node:util';
import { ServiceError } from '../errors.ts';
import type { FeedEvent } from '../events.ts';
import { EVERYTHING, type Filter } from '../feed/filter.ts';
import { canResume, RESETS, type ResetReason, subscribe } from '../feed/subscription.ts';
import { openPool } from '../postgres/pool.ts';
import { createReceiver, type Receiver } from '../relay/receiver.ts';
import { type CommandContext, runCommand } from './command.ts';

const USAGE = 'usage: npm run tail -- [--topic tasks] [--after N]\n';

interface Wanted {
  topic: string | undefined;
  after: number | undefined;
}

const wanted = readArguments();
if (wanted === undefined) {
  process.stderr.write(USAGE);
  process.exit(1);
}
await runCommand(context => tail(context, wanted), { isEndless: true });

function readArguments(): Wanted | undefined {
  try {
    const { values } = parseArgs({ options: { topic: { type: 'string' }, after: { type: 'string' } } });
    const { topic, after } = values;
    if (after !== undefined && !/^\d{1,15}$/.test(after)) return undefined;
    return { topic, after: after === undefined ? undefined : Number(after) };
  } catch {
    return undefined;
  }
}

async function tail(
  { config: { service }, url, logger }: CommandContext,
  { topic, after }: Wanted,
): Promise<number> {
  const pool = await openPool({ url, service, size: 2, role: true });
  try {
    const receiver = await createReceiver({ pool, url, service, logger });
    const filter = await filterFor(receiver, topic);
    await receiver.start();
    try {
      return await print(receiver, filter, after);
    } finally {
      await receiver.stop();
    }
  } finally {
    await pool.end();
  }
}

async function filterFor({ log }: Receiver, topic: string | undefined): Promise<Filter> {
  if (topic === undefined) return EVERYTHING;
  const known = (await log.topics()).map(info => info.topic);
  if (known.includes(topic)) return { ...EVERYTHING, topics: new Set([topic]) };
  throw new ServiceError('not_found', `there is no topic ${topic}; there are ${known.join(', ')}`);
}

// Until the reader's end, or a reset.
async function print({ hub, log }: Receiver, filter: Filter, after: number | undefined): Promise<number> {
  const head = await log.head();
  const refusal = canResume(head, { after, log: undefined });
  if (refusal) return refuse(refusal);
  const ended = Promise.withResolvers<number>();
  const outlet = {
    write: (event: FeedEvent) => process.stdout.write(`${lineOf(event)}\n`),
    ended: (reason: ResetReason) => ended.resolve(refuse(reason)),
  };
  const subscription = subscribe({ hub, log, head, after: after ?? head.head, filter, outlet });
  process.stdout.on('drain', subscription.resume);
  process.stdout.on('error', () => ended.resolve(0)); // such as `| head`, which has read enough
  return ended.promise.finally(subscription.close);
}

function refuse(reason: ResetReason): number {
  process.stderr.write(`${RESETS[reason]}\n`);
  return 1;
}

// 1042  2026-11-23T05:38:12.345Z  task_updated  psql  "Buy milk"  status: "todo" → "done"  0198c0de-…
function lineOf(event: FeedEvent): string {
  const { origin, data } = JSON.parse(event.json);
  const { previous, ...entities } = data as Record<string, Record<string, unknown>>;
  const entity = Object.values(entities)[0] ?? {};
  const changes = Object.keys(previous ?? {})
    .filter(name => !['version', 'updated_at', 'timestamp'].includes(name))
    .map(name => `${name}: ${JSON.stringify(previous?.[name])} → ${JSON.stringify(entity[name])}`);
  const name = entity.title ?? entity.name ?? entity.kind;
  return [
    String(event.position).padStart(7),
    `${event.time.slice(0, -4)}Z`,
    event.type.padEnd(13),
    origin,
    ...(typeof name === 'string' ? [JSON.stringify(name)] : []),
    ...changes,
    event.subject,
  ].join('  ');
}
