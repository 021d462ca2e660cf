// Many creations, changes and deletions of a resource in one request: all or nothing, in their order, as one transaction.
import { z } from 'zod';
import type { Connection } from '../../postgres/pool.ts';
import { applyBatch } from '../../queries/batch.ts';
import { COST, type Operation, operation } from '../../web/operation.ts';
import { JSON_TYPES } from '../input/body.ts';
import { object, UUID } from '../input/fields.ts';
import { NoParameters } from '../input/input.ts';
import { authorOf } from '../middleware/author.ts';
import { withKey } from './idempotency.ts';
import type { RestResource, Served } from './resource.ts';

const MOST = 1_000;
const COUNT = `must be a list of 1 to ${MOST.toLocaleString('en-US')} operations`;

const id = z.string({ error: 'must be the id of one' }).regex(UUID, { error: 'must be the id of one' });
const version = z
  .int({ error: 'must be a version, a number from 1' })
  .positive({ error: 'must be a version, a number from 1' })
  .optional()
  .meta({ description: 'The version that may be changed; another one is 412.' });

/** POST /<topic>/batch. */
export function batchOf(served: Served): Operation {
  const { lanes, resource, scopes, Entity } = served;
  const body = { schema: batchSchemaOf(served), types: JSON_TYPES };
  const Result = z.object({ data: z.array(Entity.nullable()) });
  const answers = {
    200: {
      description: 'Each as it then is, in the order of the operations; null for a deleted one.',
      schema: Result,
    },
  };
  return withKey(
    lanes.batches,
    operation({
      id: `batch_${resource.topic}`,
      method: 'post',
      path: `/${resource.topic}/batch`,
      summary: `Creates, changes and deletes up to ${MOST} ${resource.topic}, all or nothing.`,
      tag: resource.topic,
      access: [scopes.write],
      query: NoParameters,
      body,
      answers,
      refusals: ['not_found', 'conflict', 'stale'],
      cost: ({ body: { operations } }) => Math.max(COST.write, operations.length),
      async handle(ctx, { body: { operations } }, connection: Connection) {
        const documents = await applyBatch(connection, resource, operations, authorOf(ctx));
        ctx.type = 'application/json';
        ctx.body = `{"data":[${documents.map(document => document ?? 'null').join(',')}]}`;
      },
    }),
  );
}

function batchSchemaOf({ resource: { entity }, New, Patch, Entity }: RestResource) {
  const step = z.discriminatedUnion(
    'op',
    [
      object({ op: z.literal('create'), [entity]: New }),
      object({ op: z.literal('update'), id, [entity]: Patch, version }),
      object({ op: z.literal('delete'), id, version }),
    ],
    {
      error: ({ input }) =>
        typeof input === 'object' && input ? 'must be create, update or delete' : 'must be a JSON object',
    },
  );
  const operations = z.array(step, { error: COUNT }).min(1, { error: COUNT }).max(MOST, { error: COUNT });
  return object({ operations }).meta({ id: `${Entity.meta()?.id}Batch` });
}
