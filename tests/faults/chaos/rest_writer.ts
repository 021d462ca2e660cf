// A client of the REST API, on any instance. A request is a transaction; without an answer it is in doubt.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Random } from '../../helpers/random.ts';
import type { Change, Recorder, Transaction } from './history.ts';
import type { WriterOptions } from './psql_writer.ts';

const Task = z.object({ id: z.string(), version: z.number() });

interface Request {
  method: 'POST' | 'PATCH' | 'DELETE';
  path: string;
  body?: unknown;
  change: Change;
}

const THINKING = 60; // ms at most
const PATIENCE = 8_000; // ms
const REMEMBERED = 200;

/** Sends one request after the other until it is to end. */
export async function writeAsClient(
  options: WriterOptions & { addresses: readonly string[] },
): Promise<void> {
  const { name, addresses, ending, random, recorder } = options;
  const ids: string[] = [];
  for (let count = 1; !ending.aborted; count++) {
    const request = choose(random, ids);
    const transaction: Transaction = {
      tag: `${name}:${count}`,
      outcome: 'in doubt',
      changes: [request.change],
    };
    recorder.transactions.push(transaction);
    try {
      const answer = await send(`${random.pick(addresses)}${request.path}`, request, transaction.tag);
      await settle(transaction, answer, recorder);
    } catch {
      recorder.count('requests without an answer');
    }
    const { subject } = request.change;
    if (request.method === 'POST' && subject !== undefined) ids.push(subject);
    if (ids.length > REMEMBERED) ids.shift();
    await delay(random.below(THINKING));
  }
}

function choose(random: Random, ids: readonly string[]): Request {
  const title = `rest ${random.below(1_000_000)}`;
  if (ids.length === 0 || random.chance(0.5))
    return { method: 'POST', path: '/tasks', body: { title }, change: { type: 'task_created' } };
  const subject = random.pick(ids);
  const path = `/tasks/${subject}`;
  if (random.chance(0.4)) return { method: 'DELETE', path, change: { type: 'task_deleted', subject } };
  return { method: 'PATCH', path, body: { title }, change: { type: 'task_updated', subject } };
}

function send(address: string, { method, body }: Request, tag: string): Promise<Response> {
  return fetch(address, {
    method,
    headers: { 'Content-Type': 'application/json', 'X-Request-Id': tag },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(PATIENCE),
  });
}

async function settle(transaction: Transaction, answer: Response, recorder: Recorder): Promise<void> {
  const { status } = answer;
  const text = await answer.text();
  recorder.count(`answers ${status}`);
  if (status === 500) recorder.violated('no request is answered with 500', `${transaction.tag}: ${text}`);
  if (status === 412) recorder.violated('only If-Match makes a write stale', `${transaction.tag}: ${text}`);
  if (status >= 500) return;
  transaction.outcome = status < 300 ? 'committed' : 'rolled back';
  if (status !== 200 && status !== 201) return;
  const { id, version } = Task.parse(JSON.parse(text));
  for (const change of transaction.changes) Object.assign(change, { subject: id, version });
}
