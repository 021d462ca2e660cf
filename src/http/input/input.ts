// Checks what came in against a schema, and names everything that is wrong with it at once.
import type { Context } from 'koa';
import { z } from 'zod';
import { ServiceError, type Violation } from '../../errors.ts';
import { readQuery } from '../../web/query.ts';
import { readOnly } from './fields.ts';
import { suggest } from './suggestion.ts';

// A body of 1 MiB can hold a hundred thousand faults; an answer ten times its size is of no use.
const MOST_FAULTS = 100;

/** The query of an operation that takes no parameters. */
export const NoParameters = z.strictObject({});

/** The body as the schema gives it back. Throws 422 with a JSON Pointer for each fault. */
export function checkBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw refusal('invalid', violationsOf(result.error, schema, pointer));
}

/**
 * The query parameters as the schema gives them back; it sees each as the list of its values, see parameter().
 * Throws 400 naming each parameter that is unknown or wrong.
 */
export function checkQuery<Schema extends z.ZodType>(
  schema: Schema,
  { querystring }: Context,
): z.output<Schema> {
  const { lists, violations } = readQuery(querystring);
  return check(schema, lists, violations);
}

/** The headers that the schema names, as it gives them back. Throws 400 naming each that is wrong. */
export function checkHeaders<Schema extends z.ZodObject>(schema: Schema, ctx: Context): z.output<Schema> {
  const names = Object.keys(schema.shape);
  // One that is there and empty is not none: a client that sends an empty If-Match believes to be safe.
  return check(
    schema,
    Object.fromEntries(
      names.map(name => [name, ctx.req.headers[name.toLowerCase()] && ctx.get(name).trim()]),
    ),
  );
}

/** What stands in the path, as the schema gives it back. Throws 404 with the schema's words. */
export function checkParams<Schema extends z.ZodType>(schema: Schema, { params }: Context): z.output<Schema> {
  const result = schema.safeParse(params);
  if (result.success) return result.data;
  throw new ServiceError('not_found', result.error.issues[0]?.message ?? 'there is no such thing');
}

/** One fault of the query that only its reader can see. */
export function badParameter(name: string, message: string): ServiceError {
  return refusal('malformed', [{ path: name, message }]);
}

/** An error that names these faults. */
export function refusal(code: 'invalid' | 'malformed', violations: Violation[]): ServiceError {
  const named = violations.slice(0, 3).map(({ path, message }) => `${path} ${message}`.trim());
  const more = violations.length > 3 ? ['…'] : [];
  return new ServiceError(code, [...named, ...more].join('; '), {
    violations: violations.slice(0, MOST_FAULTS),
  });
}

function check<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  known: readonly Violation[] = [],
): z.output<Schema> {
  const result = schema.safeParse(input);
  if (result.success && known.length === 0) return result.data;
  const found = result.success ? [] : violationsOf(result.error, schema, path => String(path[0]));
  throw refusal('malformed', [
    ...known,
    ...found.filter(({ path }) => !known.some(each => each.path === path)),
  ]);
}

type Path = readonly PropertyKey[];

function violationsOf(error: z.ZodError, schema: z.ZodType, name: (path: Path) => string): Violation[] {
  const violations: Violation[] = []; // no more than are named: each is held against all names that there are
  for (const issue of error.issues) {
    if (violations.length >= MOST_FAULTS) break;
    if (issue.code !== 'unrecognized_keys')
      violations.push({ path: name(issue.path), message: issue.message });
    else
      for (const key of issue.keys.slice(0, MOST_FAULTS)) {
        const meant = suggest(key, namesAt(schema, issue.path));
        const message =
          meant === undefined ? 'is not known here' : `is not known here; did you mean ${meant}?`;
        violations.push({ path: name([...issue.path, key]), message });
      }
  }
  return violations;
}

// What an object at this place may hold, but for what only the service writes.
function namesAt(schema: unknown, path: Path): string[] {
  if (schema instanceof z.ZodDiscriminatedUnion)
    return schema.options.flatMap(option => namesAt(option, path));
  if (schema instanceof z.ZodArray) return namesAt(schema.element, path.slice(1));
  if (!(schema instanceof z.ZodObject)) return [];
  const [name, ...rest] = path;
  if (name !== undefined) return namesAt(schema.shape[String(name)], rest);
  return Object.keys(schema.shape).filter(key => schema.shape[key] !== readOnly);
}

function pointer(path: Path): string {
  return path.map(part => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
