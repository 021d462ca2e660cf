// What entities were: one or the list as of a moment, and the history of one. All of it comes out of the log.
import { setTimeout as pause } from 'node:timers/promises';
import type { Context } from 'koa';
import { z } from 'zod';
import { ServiceError } from '../../errors.ts';
import { EventEnvelope, toEvent } from '../../events.ts';
import { timestamp } from '../../parsing/timestamp.ts';
import { type DatabasePool, readBriefly } from '../../postgres/pool.ts';
import { identify } from '../../queries/entities.ts';
import {
  type Entity,
  identifyPast,
  isKnown,
  isNumbered,
  listPast,
  listPastById,
  readHistory,
  readPast,
  readPending,
} from '../../queries/history.ts';
import { readHead } from '../../queries/log.ts';
import type { Resource } from '../../queries/resource.ts';
import { COST, type Operation, operation } from '../../web/operation.ts';
import { type AsOf, asOf, resolveAsOf } from '../input/as_of.ts';
import { sendEntity } from '../input/etag.ts';
import { UUID } from '../input/fields.ts';
import { badParameter } from '../input/input.ts';
import { PAGE_HEADERS, pageOf, pageParametersOf, readCursor, sendPage, uuid } from '../input/paging.ts';
import { type RestResource, referenceTo, type Served } from './resource.ts';

const LOOK_EVERY = 10; // ms
const PATIENCE = 2_000; // ms

const HistoryQuery = z.strictObject(pageParametersOf({ default: 1000, most: 1000 }));
const HistoryPage = pageOf('EventHistory', EventEnvelope)
  .extend({
    from: z
      .int()
      .optional()
      .meta({ description: 'Where the log does not go back to 1: the position after which it does.' }),
  })
  .meta({ id: 'EventHistory', description: 'A page of a history; the last one has no `next_cursor`.' });
const position = z.int().nonnegative();
const HistoryKeys = z.tuple([position]);

/** The parameter as_of, where the resource has a past; where it has none, it is as good as never given. */
export function pastParametersOf({ hasPast }: RestResource): { as_of: typeof asOf } {
  return hasPast ? { as_of: asOf } : ({} as { as_of: typeof asOf });
}

/** Answers with the entity as it was. */
export async function showPast(
  ctx: Context,
  { pool, lanes, resource }: Served,
  reference: string,
  asOf: AsOf,
): Promise<void> {
  const position = await resolveAsOf(pool, asOf);
  // Of one that was made before the log begins only its row tells what it is called.
  const id = UUID.test(reference)
    ? reference
    : ((await identifyPast(pool, resource, reference, position)) ??
      (await identify(pool, resource, reference)));
  const read = (from: DatabasePool) =>
    id === null ? Promise.resolve(null) : readPast(from, entityOf(resource, id), position);
  const found = await askPast(lanes, position, pool, read);
  if (!found)
    throw new ServiceError(
      'not_found',
      `at position ${position} there was no ${resource.entity} ${reference}`,
    );
  sendEntity(ctx, found);
}

/** Answers with a page of the list as it was. The cursor holds the position: later pages are of the same moment. */
export async function listPastEntities(
  ctx: Context,
  { pool, lanes, resource: { topic, hasCreatedAt } }: Served,
  { limit, cursor, as_of }: { limit: number; cursor: string | undefined; as_of: AsOf },
): Promise<void> {
  const { name, Keys, read } = hasCreatedAt ? NEWEST_FIRST : BY_ID;
  const keys = cursor === undefined ? undefined : readCursor(Keys, cursor);
  if (keys && 'position' in as_of && as_of.position !== keys.position)
    throw badParameter('cursor', 'is of another as_of');
  const position = await resolveAsOf(pool, keys ?? as_of);
  const page = { topic, position, limit: limit + 1, after: keys?.after };
  const rows = await askPast(lanes, position, lanes.searches, from =>
    readBriefly(from, transaction => read(transaction, page)),
  );
  sendPage(ctx, { rows, limit, keysOf: row => [name, position, row.key, row.id] });
}

// The orders that the past can be listed in.
const NEWEST_FIRST = order('as_of -created_at', timestamp, listPast);
const BY_ID = order('as_of id', z.null(), listPastById);

function order(name: string, key: z.ZodType<string | null>, read: typeof listPast) {
  const Keys = z
    .tuple([z.literal(name), position, key, uuid])
    .transform(([, position, key, id]) => ({ position, after: { key, id } }));
  return { name, Keys, read };
}

/** A resource's history: its events as sockets send them, also after its deletion. */
export function historyOf(served: Served): Operation {
  const { topic, entity } = served.resource;
  return operation({
    id: `list_${entity}_history`,
    method: 'get',
    path: `/${topic}/{id}/history`,
    summary: `Lists the events of a ${entity}, oldest first, also after its deletion.`,
    tag: topic,
    access: [served.scopes.read],
    params: referenceTo(served.resource),
    query: HistoryQuery,
    answers: { 200: { description: 'A page of its events.', schema: HistoryPage, headers: PAGE_HEADERS } },
    cost: COST.search,
    async handle(ctx, { params, query: { limit, cursor } }) {
      const [after] = cursor === undefined ? [0] : readCursor(HistoryKeys, cursor);
      const of = entityOf(served.resource, await resolveEver(served, params.id));
      await untilNumbered(served.pool, of);
      // What is in the log now is all that there is to tell: a standby that has that has everything.
      const { head } = served.lanes.past ? await readHead(served.pool) : { head: 0 };
      const found = await askPast(served.lanes, head, served.lanes.searches, from =>
        readBriefly(from, transaction => readHistory(transaction, of, { after, limit: limit + 1 })),
      );
      // Asked for afterwards: what it has risen over meanwhile may have gone unseen.
      const { floor } = await readHead(served.pool);
      const events = found.filter(event => event.position > floor);
      if (
        events.length === 0 &&
        after === 0 &&
        !(floor > 0 && (await isKnown(served.pool, served.resource, of.subject)))
      )
        throw new ServiceError('not_found', `there never was a ${entity} ${params.id}`);
      const rows = events.map(toEvent).map(({ position, json }) => ({ position, document: json }));
      sendPage(ctx, { rows, limit, keysOf: row => [row.position], ...(floor > 0 && { from: floor }) });
    },
  });
}

// What was there at a position, read where it can be.
async function askPast<Result>(
  { past }: Served['lanes'],
  position: number,
  primary: DatabasePool,
  read: (from: DatabasePool) => Promise<Result>,
): Promise<Result> {
  return past ? past(position, read, () => read(primary)) : read(primary);
}

// The entity that has the second key now, else the one that had it last.
async function resolveEver({ pool, resource }: Served, reference: string): Promise<string> {
  if (UUID.test(reference)) return reference;
  const id =
    (await identify(pool, resource, reference)) ??
    (await identifyPast(pool, resource, reference, Number.MAX_SAFE_INTEGER));
  if (id === null) throw new ServiceError('not_found', `there never was a ${resource.entity} ${reference}`);
  return id;
}

function entityOf({ topic }: Resource, id: string): Entity {
  return { topic, subject: id.toLowerCase() };
}

// A client that has just written must find it here. Only what had committed at the first look is waited for: to an entity
// that changes all the time there is always one more.
async function untilNumbered(pool: DatabasePool, of: Entity): Promise<void> {
  const change = await readPending(pool, of);
  const end = performance.now() + PATIENCE;
  while (change !== null && !(await isNumbered(pool, change))) {
    if (performance.now() > end)
      throw new ServiceError('timeout', 'its last change is not in the log yet; try again', {
        headers: { 'Retry-After': '1' },
      });
    await pause(LOOK_EVERY);
  }
}
