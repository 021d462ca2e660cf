// The query parameters of a WebSocket, checked at the border.
import { z } from 'zod';

const Parameters = z.strictObject({
  after: z
    .string()
    .regex(/^\d{1,15}$/, 'must be a position: a whole number from 0')
    .transform(Number)
    .optional(),
  log: z.uuid('must be the id of a log').optional(),
});

export type Parameters = z.infer<typeof Parameters>;

/** The parameters of a query string, or a sentence naming every fault. */
export function readParameters(query: URLSearchParams): Parameters | string {
  const names = [...query.keys()];
  const repeated = names.filter((name, index) => names.indexOf(name) !== index);
  if (repeated.length > 0) return `given twice: ${[...new Set(repeated)].join(', ')}`;
  const result = Parameters.safeParse(Object.fromEntries(query));
  if (result.success) return result.data;
  return result.error.issues.map(describe).join('; ');
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `unknown: ${issue.keys.join(', ')}`;
  return `${issue.path.join('.')} ${issue.message}`;
}
