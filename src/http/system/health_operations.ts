// What an orchestrator asks: does the process live, and can it work?
import { z } from 'zod';
import { translateDatabaseError } from '../../postgres/errors.ts';
import { type Finding, findings, linkTo } from '../../runbook.ts';
import { type Operation, operation } from '../../web/operation.ts';
import { within } from '../../within.ts';
import { NoParameters } from '../input/input.ts';

/** Why the instance cannot work now: findings for an operator, none if it can. */
export interface Readiness {
  /** What is wrong with the database, or in it; throws while it does not answer. */
  database(): Promise<Findings>;
  /** Which of the instance's own parts do not do what they are for. */
  parts(): readonly Finding[];
  /** What is wrong without keeping it from its work. */
  warnings?(): readonly Finding[];
}

/** What was found wrong: what keeps the instance from its work, and what does not. */
interface Findings {
  reasons: readonly Finding[];
  warnings?: readonly Finding[];
}

const PATIENCE = 3_000; // ms

const Healthy = z.object({ status: z.literal('ok') }).meta({ id: 'Healthy', description: 'All is well.' });
const warnings = z
  .array(z.string())
  .optional()
  .meta({ description: 'What is wrong, and keeps the instance from nothing that its clients ask of it.' });
const runbook = z
  .array(z.string())
  .optional()
  .meta({ description: "What to do about it: the runbook's sections, as paths in the project." });
const Ready = Healthy.extend({ warnings, runbook }).meta({
  id: 'Ready',
  description: 'The instance can work.',
});
const Unavailable = z
  .object({ status: z.literal('unavailable'), reasons: z.array(z.string()), warnings, runbook })
  .meta({ id: 'Unavailable', description: 'Why the instance cannot work now.' });

/** /health/live always says yes; /health/ready says 503, and why, while the instance cannot work. */
export function createHealthOperations(readiness: Readiness): Operation[] {
  return [
    operation({
      id: 'show_liveness',
      method: 'get',
      path: '/health/live',
      summary: 'Tells that the process lives.',
      tag: 'health',
      access: 'open',
      query: NoParameters,
      answers: { 200: { description: 'It does.', schema: Healthy } },
      handle(ctx) {
        ctx.body = { status: 'ok' };
      },
    }),
    operation({
      id: 'show_readiness',
      method: 'get',
      path: '/health/ready',
      summary: 'Tells whether the instance can work, and if not, why.',
      tag: 'health',
      access: 'open',
      query: NoParameters,
      answers: {
        200: { description: 'It can.', schema: Ready },
        503: { description: 'It cannot, for these reasons.', schema: Unavailable },
      },
      async handle(ctx) {
        const database = await findingsOfDatabase(readiness);
        const reasons = [...database.reasons, ...readiness.parts()];
        const found = [...(database.warnings ?? []), ...(readiness.warnings?.() ?? [])];
        ctx.status = reasons.length === 0 ? 200 : 503;
        ctx.body = {
          ...(reasons.length === 0 ? { status: 'ok' } : { status: 'unavailable', reasons: textsOf(reasons) }),
          ...(found.length > 0 && { warnings: textsOf(found) }),
          ...(reasons.length + found.length > 0 && { runbook: linksOf([...reasons, ...found]) }),
        };
      },
    }),
  ];
}

const textsOf = (found: readonly Finding[]) => found.map(({ text }) => text);
const linksOf = (found: readonly Finding[]) => [...new Set(found.map(({ section }) => linkTo(section)))];

// A database that has silently gone is found out late by its connections, and orchestrators do not wait for that.
async function findingsOfDatabase({ database }: Readiness): Promise<Findings> {
  const away = (text: string): Findings => ({ reasons: findings('the-database-is-away', [text]) });
  try {
    return (await within(PATIENCE, database())) ?? away('the database did not answer in time');
  } catch (error) {
    return away(translateDatabaseError(error)?.message ?? 'the database does not answer as it should');
  }
}
