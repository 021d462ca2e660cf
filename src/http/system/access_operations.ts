// GET /access: what a client may do here, so that a page can say it before something is refused.
import { z } from 'zod';
import { SCOPES } from '../../scopes.ts';
import { callerOf } from '../../web/access.ts';
import { type Operation, operation } from '../../web/operation.ts';
import { NoParameters } from '../input/input.ts';

const Access = z
  .object({
    token: z
      .object({ id: z.string(), name: z.string() })
      .nullable()
      .meta({ description: 'The token that was sent; null where none is asked for.' }),
    scopes: z.array(z.enum(SCOPES)).meta({ description: 'What it allows.' }),
  })
  .meta({ id: 'Access', description: 'Who a client is to the service, and what it may do.' });

/** GET /access, for every token that is valid. */
export function createAccessOperations(): Operation[] {
  return [
    operation({
      id: 'show_access',
      method: 'get',
      path: '/access',
      summary: 'Tells a client who it is, and what it may do.',
      tag: 'access',
      access: [SCOPES[0], ...SCOPES.slice(1)], // any of them
      query: NoParameters,
      answers: { 200: { description: 'The token and its scopes.', schema: Access } },
      handle(ctx) {
        const { token, scopes } = callerOf(ctx.req);
        ctx.type = 'application/json';
        ctx.body = JSON.stringify({ token: token ? { id: token.id, name: token.name } : null, scopes });
      },
    }),
  ];
}
