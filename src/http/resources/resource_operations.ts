// REST for any resource, made of its description. An operation asks the database and answers; listeners hear of it
// from the log.
import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import { z } from 'zod';
import { ServiceError } from '../../errors.ts';
import { rowNotTaken } from '../../postgres/errors.ts';
import type { Connection, DatabasePool } from '../../postgres/pool.ts';
import {
  deleteEntity,
  insertEntity,
  listEntities,
  readEntity,
  type Stored,
  updateEntity,
  type WriteTarget,
} from '../../queries/entities.ts';
import { orderOf, type Resource, sortsOf } from '../../queries/resource.ts';
import { COST, type Operation, operation } from '../../web/operation.ts';
import { JSON_TYPES, MERGE_PATCH_TYPES } from '../input/body.ts';
import { ETAG_HEADER, ifMatch, ifNoneMatch, ifNoneMatchOfWrite, sendEntity } from '../input/etag.ts';
import { badParameter, NoParameters } from '../input/input.ts';
import {
  keyTextOf,
  PAGE_HEADERS,
  pageOf,
  pageParameters,
  readCursor,
  sendPage,
  sortParametersOf,
  uuid,
} from '../input/paging.ts';
import { authorOf } from '../middleware/author.ts';
import { withKey } from './idempotency.ts';
import { type Lanes, notFound, type RestResource, referenceTo, resolve, type Served } from './resource.ts';
import { batchOf } from './resource_batch.ts';
import { historyOf, listPastEntities, pastParametersOf, showPast } from './resource_past.ts';

const ShowHeaders = z.object({ 'If-None-Match': ifNoneMatch });
const WriteHeaders = z.object({ 'If-Match': ifMatch, 'If-None-Match': ifNoneMatchOfWrite });

/** List, create, show, patch, remove and, where the resource has them, history and restore. */
export function createResourceOperations(
  resource: RestResource,
  {
    pool,
    lanes = { searches: pool, lists: pool, batches: pool, changes: pool },
  }: { pool: DatabasePool; lanes?: Lanes },
): Operation[] {
  const served = { ...resource, pool, lanes };
  return [
    listOf(served),
    withKey(pool, creationOf(served)),
    showingOf(served),
    changeOf(served),
    deletionOf(served),
    ...(served.hasBatch ? [batchOf(served)] : []),
    ...(served.hasHistory ? [historyOf(served)] : []),
    ...(served.restore ? [withKey(pool, restorationOf(served))] : []),
  ];
}

function listOf(served: Served): Operation {
  const { resource, Entity, hasPast } = served;
  const { topic, defaultSort } = resource;
  const Page = pageOf(`${Entity.meta()?.id}Page`, Entity);
  const cursors = new Map(sortsOf(resource).map(sort => [sort, cursorOf(resource, sort)]));
  const filters: object = served.filters ?? {};
  return operation({
    id: `list_${topic}`,
    method: 'get',
    path: `/${topic}`,
    summary: `Lists the ${topic}, page by page.`,
    tag: topic,
    access: [served.scopes.read],
    query: z.strictObject({
      ...pageParameters,
      ...pastParametersOf(served),
      ...sortParametersOf(resource),
      ...filters,
    }),
    answers: { 200: { description: 'A page.', schema: Page, headers: PAGE_HEADERS } },
    refusals: hasPast ? ['gone'] : [],
    cost: ({ query }) => (query.as_of || searches(resource, query) ? COST.search : COST.read),
    async handle(ctx, { query: { limit, cursor, as_of, sort, ...rest } }) {
      const filters = givenOf(rest);
      if (as_of && (sort !== undefined || Object.keys(filters).length > 0))
        throw badParameter('as_of', 'takes no sort and no filter');
      if (as_of) return listPastEntities(ctx, served, { limit, cursor, as_of });
      const order = sort ?? defaultSort;
      const list = nameOf(order, filters);
      const Keys = cursors.get(order);
      const after = cursor === undefined || !Keys ? undefined : readCursor(Keys, cursor);
      if (after && after.list !== list)
        throw badParameter('cursor', 'is of another sort or of other filters');
      // One more than asked for tells whether there is another page.
      const page = { sort: order, filters, after, limit: limit + 1 };
      const rows = await listEntities(connectionsFor(served, filters), resource, page);
      sendPage(ctx, { rows, limit, keysOf: row => [list, row.key, row.id] });
    },
  });
}

// The whole list is found along an index, and takes no lane.
function connectionsFor(
  { pool, lanes, resource }: Served,
  filters: Readonly<Record<string, unknown>>,
): DatabasePool {
  if (searches(resource, filters)) return lanes.searches;
  return Object.keys(filters).length > 0 ? lanes.lists : pool;
}

function searches({ searches }: Resource, given: Readonly<Record<string, unknown>>): boolean {
  return searches?.some(name => given[name] !== undefined) ?? false;
}

function cursorOf(resource: Resource, sort: string) {
  return z
    .tuple([z.string(), keyTextOf(orderOf(resource, sort)), uuid])
    .transform(([list, key, id]) => ({ list, key, id }));
}

// What a cursor is of: the sort, and a digest of the filters, in whatever order they and their values stand.
function nameOf(sort: string, filters: Readonly<Record<string, readonly string[]>>): string {
  const names = Object.keys(filters).sort();
  if (names.length === 0) return sort;
  const sorted = names.map(name => [name, [...new Set(filters[name])].sort()]);
  return `${sort} ${createHash('sha256').update(JSON.stringify(sorted)).digest('base64url').slice(0, 16)}`;
}

function givenOf(parameters: object): Record<string, readonly string[]> {
  return Object.fromEntries(Object.entries(parameters).filter(([, values]) => values !== undefined));
}

function creationOf(served: RestResource): Operation<[Connection]> {
  const { resource, New } = served;
  return operation({
    id: `create_${resource.entity}`,
    method: 'post',
    path: `/${resource.topic}`,
    summary: `Creates a ${resource.entity}.`,
    tag: resource.topic,
    access: [served.scopes.write],
    query: NoParameters,
    body: { schema: New, types: JSON_TYPES },
    answers: createdBy(served),
    refusals: ['conflict'],
    handle: async (ctx, { body }, connection: Connection) =>
      sendCreated(ctx, served, await insertEntity(connection, resource, body, authorOf(ctx))),
  });
}

function showingOf(served: Served): Operation {
  const { pool, resource, hasPast } = served;
  return operation({
    id: `show_${resource.entity}`,
    method: 'get',
    path: `/${resource.topic}/{id}`,
    summary: `Shows a ${resource.entity}.`,
    tag: resource.topic,
    access: [served.scopes.read],
    params: referenceTo(resource),
    query: z.strictObject(pastParametersOf(served)),
    headers: ShowHeaders,
    answers: {
      ...shownBy(served),
      304: { description: 'The client has it already.', headers: ETAG_HEADER },
    },
    shows: { topic: resource.topic, entity: resource.entity, by_status: false },
    refusals: hasPast ? ['gone'] : [],
    async handle(ctx, { params, query: { as_of } }) {
      if (as_of) return showPast(ctx, served, params.id, as_of);
      const id = await resolve(served, params.id);
      const found = await readEntity(pool, resource, id);
      if (!found) throw notFound(resource, params.id);
      sendEntity(ctx, found);
    },
  });
}

function changeOf(served: Served): Operation {
  const { lanes, resource, Patch } = served;
  return operation({
    id: `update_${resource.entity}`,
    method: 'patch',
    path: `/${resource.topic}/{id}`,
    summary: `Changes some fields of a ${resource.entity}.`,
    tag: resource.topic,
    access: [served.scopes.write],
    params: referenceTo(resource),
    query: NoParameters,
    headers: WriteHeaders,
    body: { schema: Patch, types: MERGE_PATCH_TYPES },
    answers: shownBy(served),
    refusals: ['stale', 'conflict'],
    async handle(ctx, { params, headers, body: changes }) {
      const target = await targetOf(ctx, served, params.id, headers);
      sendEntity(
        ctx,
        await written(served, target, () => updateEntity(lanes.changes, resource, { ...target, changes })),
      );
    },
  });
}

function deletionOf(served: Served): Operation {
  const { lanes, resource } = served;
  return operation({
    id: `delete_${resource.entity}`,
    method: 'delete',
    path: `/${resource.topic}/{id}`,
    summary: `Deletes a ${resource.entity}.`,
    tag: resource.topic,
    access: [served.scopes.write],
    params: referenceTo(resource),
    query: NoParameters,
    headers: WriteHeaders,
    answers: { 204: { description: 'It is deleted.' } },
    refusals: ['stale', 'conflict', 'invalid'],
    async handle(ctx, { params, headers }) {
      const target = await targetOf(ctx, served, params.id, headers);
      await written(served, target, () => deleteEntity(lanes.changes, resource, target));
      ctx.status = 204;
    },
  });
}

function restorationOf(served: RestResource): Operation<[Connection]> {
  const { resource, restore } = served;
  return operation({
    id: `restore_${resource.entity}`,
    method: 'post',
    path: `/${resource.topic}/{id}/restore`,
    summary: `Brings a deleted ${resource.entity} back as it last was.`,
    tag: resource.topic,
    access: [served.scopes.write],
    params: referenceTo(resource),
    query: NoParameters,
    answers: createdBy(served),
    refusals: ['conflict', 'invalid', 'gone'],
    async handle(ctx, { params }, connection: Connection) {
      const id = await resolve({ pool: connection, resource }, params.id);
      const restored = await restore?.(connection, id, authorOf(ctx));
      if (!restored) throw new ServiceError('not_found', `there never was a ${resource.entity} ${params.id}`);
      sendCreated(ctx, served, restored);
    },
  });
}

function shownBy({ resource, Entity }: RestResource) {
  return { 200: { description: `The ${resource.entity}.`, schema: Entity, headers: ETAG_HEADER } };
}

function createdBy({ resource, Entity }: RestResource) {
  const headers = { ...ETAG_HEADER, Location: 'Its address.' };
  return { 201: { description: `The ${resource.entity}.`, schema: Entity, headers } };
}

function sendCreated(ctx: Context, { resource }: RestResource, stored: Stored): void {
  ctx.status = 201;
  ctx.set('Location', `/${resource.topic}/${stored.id}`);
  sendEntity(ctx, stored);
}

async function targetOf(
  ctx: Context,
  served: Served,
  reference: string,
  headers: z.output<typeof WriteHeaders>,
): Promise<WriteTarget> {
  const id = await resolve(served, reference);
  const [only, but] = [headers['If-Match'], headers['If-None-Match']];
  const author = authorOf(ctx);
  if (but === '*') return { id, versions: [], otherThan: undefined, author }; // of what exists, none may be changed
  return { id, versions: only, otherThan: but, author };
}

// A write that found no row: it is not there, or not in a version that its conditions allow, or another writer deleted it and
// inserted it again while the write waited for its row: then it is there now. That does not happen again and again: then
// a trigger of the operator's does not let the change be made.
const ATTEMPTS = 3;

async function written<Result>(
  { pool, resource }: Served,
  { id, versions, otherThan }: WriteTarget,
  write: () => Promise<Result>,
): Promise<NonNullable<Result>> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const result = await write();
    if (result) return result;
    const present = await readEntity(pool, resource, id);
    if (!present) throw notFound(resource, id);
    if ((versions && !versions.includes(present.version)) || otherThan?.includes(present.version))
      throw new ServiceError(
        'stale',
        `${resource.entity} ${id} has a version that If-Match or If-None-Match excludes; read it again`,
      );
  }
  throw rowNotTaken();
}
