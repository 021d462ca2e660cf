// Checks what came in against a schema, and names everything that is wrong with it at once.
import type { Context } from 'koa';
import { z } from 'zod';
import { type Fault, ServiceError } from '../errors.ts';

// A body of 1 MiB can hold a hundred thousand faults; an answer ten times its size helps nobody.
const MOST_FAULTS = 100;

/** The query of a route that takes no parameters. */
export const NoParameters = z.strictObject({});

/** The body as the schema gives it back. Throws 422 with a JSON Pointer for each fault. */
export function checkBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw refusal('invalid', faultsOf(result.error, pointer));
}

/**
 * The query parameters as the schema gives them back; it sees each as the list of its values, see parameter().
 * Throws 400 naming each parameter that is unknown or wrong.
 */
export function checkQuery<Schema extends z.ZodType>(schema: Schema, ctx: Context): z.output<Schema> {
  const given = new URLSearchParams(ctx.querystring);
  const lists = Object.fromEntries([...given.keys()].map(name => [name, given.getAll(name)]));
  const result = schema.safeParse(lists);
  if (result.success) return result.data;
  throw refusal(
    'malformed',
    faultsOf(result.error, path => String(path[0])),
  );
}

/** One fault of the query that only its reader can see. */
export function badParameter(name: string, message: string): ServiceError {
  return refusal('malformed', [{ path: name, message }]);
}

function refusal(code: 'invalid' | 'malformed', faults: Fault[]): ServiceError {
  const named = faults.slice(0, 3).map(({ path, message }) => `${path} ${message}`.trim());
  const more = faults.length > 3 ? ['…'] : [];
  return new ServiceError(code, [...named, ...more].join('; '), { faults: faults.slice(0, MOST_FAULTS) });
}

type Path = readonly PropertyKey[];

function faultsOf(error: z.ZodError, name: (path: Path) => string): Fault[] {
  return error.issues.flatMap(issue => {
    if (issue.code !== 'unrecognized_keys') return [{ path: name(issue.path), message: issue.message }];
    return issue.keys.map(key => ({ path: name([...issue.path, key]), message: 'is not known here' }));
  });
}

function pointer(path: Path): string {
  return path.map(part => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
