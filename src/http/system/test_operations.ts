// For trying NATS by hand: publishes a message as another service would, and leaves the rest to those who take it.
import { z } from 'zod';
import { ServiceError } from '../../errors.ts';
import { code, decimal } from '../../parsing/rate.ts';
import { now, time } from '../../parsing/timestamp.ts';
import { type Operation, operation } from '../../web/operation.ts';
import { parameter } from '../../web/query.ts';

interface TestOptions {
  production: boolean;
  /** Publishes a rate and says where it went; undefined where there is no NATS. Throws `broker_unavailable`. */
  publishRate:
    | ((rate: {
        currency: string;
        rate: string;
        timestamp: string;
      }) => Promise<{ subject: string; stream: string; sequence: number }>)
    | undefined;
}

const Query = z.strictObject({ currency: parameter(code), rate: parameter(decimal) });

const Published = z
  .object({
    subject: z.string(),
    stream: z.string(),
    sequence: z.int(),
    message: z.object({ currency: z.string(), rate: z.string(), timestamp: time }),
  })
  .meta({ id: 'PublishedMessage', description: 'A message, and where NATS keeps it until it is taken.' });

/** POST /test/nats; everywhere, so that where it may not be used it says why. */
export function createTestOperations({ production, publishRate }: TestOptions): Operation[] {
  return [
    operation({
      id: 'publish_test_message',
      method: 'post',
      path: '/test/nats',
      summary: 'Publishes a rate to NATS, as another service would. Not in production.',
      tag: 'test',
      access: ['currencies:write'],
      query: Query,
      answers: { 202: { description: 'NATS has it; it will be taken.', schema: Published } },
      refusals: ['not_found', 'broker_unavailable'],
      async handle(ctx, { query }) {
        if (production) throw new ServiceError('not_found', 'there are no tests in production');
        if (!publishRate)
          throw new ServiceError('not_found', 'there is no NATS: start the service with NATS_URL');
        const message = { ...query, timestamp: now() };
        const published = await publishRate(message);
        ctx.status = 202;
        ctx.body = { ...published, message };
      },
    }),
  ];
}
