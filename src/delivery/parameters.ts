// What a client asks for in the query of a socket, a stream or a page of events; checked at the border.
import { z } from 'zod';
import type { Violation } from '../errors.ts';
import { FILTERS, isTypeOf, type TopicInfo } from '../events.ts';
import type { Filter } from '../feed/filter.ts';
import {
  type Caller,
  lacking,
  mayName,
  type Requirement,
  requirementOf,
  visibleTopicsOf,
} from '../web/access.ts';
import { parameter, readQuery, repeated, wholeNumber } from '../web/query.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Where something is asked for: of one topic or of all, and which parameters besides the filters it takes. */
export interface FeedEndpoint {
  topic?: string;
  /** What its client must be allowed to. */
  access: Requirement;
  takes: readonly (keyof typeof EXTRA)[];
}

/** What is asked for. What was not said is left out. */
export interface Wanted {
  after?: number | undefined;
  log?: string | undefined;
  snapshot?: boolean | undefined;
  limit?: number | undefined;
  wait?: number | undefined;
  compact?: boolean | undefined;
  filter: Filter;
}

const position = (error: string) =>
  z
    .string()
    .regex(/^\d{1,15}$/, error)
    .transform(Number)
    .meta({ type: 'integer', minimum: 0, pattern: undefined });
const within = (to: number, from = 0) =>
  wholeNumber({ from, to, digits: 16, error: `must be a whole number from ${from} to ${to}` });

const EXTRA = {
  after: parameter(position('must be a position: a whole number from 0')).meta({
    description: 'The position behind which to begin.',
  }),
  log: parameter(z.uuid('must be the id of a log').toLowerCase()).meta({
    description: 'The id of the log that `after` is of; of another one nothing is told.',
  }),
  snapshot: parameter(
    z.enum(['true', 'false'], 'must be true or false').transform(text => text === 'true'),
  ).meta({ description: 'Whether to begin with the present state.' }),
  limit: parameter(within(1_000, 1)).meta({ description: 'How many events there may be on a page.' }),
  compact: parameter(
    z.enum(['true', 'false'], 'must be true or false').transform(text => text === 'true'),
  ).meta({
    description:
      'Whether only the last event of each entity is wanted, deletions too: what a cache needs to catch up.',
  }),
  wait: parameter(within(30)).meta({
    description: 'How many seconds to wait for an event, if there is none yet.',
  }),
};

const LAST_EVENT_ID = /^(\d{1,15})(?:@([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))?$/i;

/**
 * Last-Event-ID (WHATWG HTML, section 9.2.4): a position, as `after` is, and the log that it is of, if the client was
 * told; an empty one is none.
 */
export const lastEventId = z
  .string()
  .refine(text => text === '' || LAST_EVENT_ID.test(text), 'must be <position> or <position>@<log>')
  .transform((text): Pick<Wanted, 'after' | 'log'> => {
    const [, after, log] = LAST_EVENT_ID.exec(text) ?? [];
    return {
      ...(after !== undefined && { after: Number(after) }),
      ...(log !== undefined && { log: log.toLowerCase() }),
    };
  })
  .optional()
  .meta({ description: 'The `id` of the last event that was seen; it wins over `after` and `log`.' });

/**
 * The parameters of a query, or every fault in it. `topics` is asked for only where topics or types are named: those
 * there are, and what they can tell, is known to the database.
 */
export async function readParameters(
  query: string,
  endpoint: FeedEndpoint,
  topics: () => Promise<readonly TopicInfo[]>,
  caller: Caller,
): Promise<Wanted | Violation[]> {
  const { lists, violations } = readQuery(query);
  const result = querySchemaOf(endpoint).safeParse(lists);
  if (!result.success) return [...violations, ...result.error.issues.flatMap(violationsOf)];
  if (violations.length > 0) return violations;
  return toWanted(result.data, endpoint, topics, caller);
}

/**
 * What a query means of a client that may be told of some topics only: of those. Throws what it is told that asks for another one.
 */
function restrict(filter: Filter, caller: Caller, known: readonly TopicInfo[]): Filter {
  const visible = visibleTopicsOf(caller);
  if (!visible) return filter;
  const isVisible = ({ topic }: TopicInfo) => visible.has(topic);
  for (const topic of filter.topics) if (!visible.has(topic)) throw lacking(requirementOf(topic), caller);
  for (const type of filter.types) {
    const tellers = known.filter(info => isTypeOf(type, info));
    if (tellers[0] && !tellers.some(isVisible)) throw lacking(requirementOf(tellers[0].topic), caller);
  }
  return filter.topics.size > 0 ? filter : { ...filter, topics: visible };
}

/**
 * What a query means that the place's schema has checked, or what only the database knows to be wrong with it. Throws a
 * ServiceError for what the caller may not be told of.
 */
export async function toWanted(
  checked: object,
  endpoint: FeedEndpoint,
  topics: () => Promise<readonly TopicInfo[]>,
  caller: Caller,
): Promise<Wanted | Violation[]> {
  const { after, log, snapshot, limit, wait, compact, ...filters } = checked as Partial<Wanted> & Lists;
  const asked = toFilter(filters, endpoint);
  const isAsked = asked.types.size > 0 || filters.topic !== undefined;
  const known = isAsked ? (await topics()).filter(({ topic }) => mayName(caller, topic)) : [];
  const violations = snapshot && after !== undefined ? [CONTRADICTION] : [];
  if (compact && wait) violations.push(NOTHING_TO_WAIT_FOR);
  if (isAsked) violations.push(...unknownNames(asked, known));
  const filter =
    endpoint.topic === undefined && violations.length === 0 ? restrict(asked, caller, known) : asked;
  return violations.length > 0 ? violations : { after, log, snapshot, limit, wait, compact, filter };
}

/** The faults in a sentence. */
export function sentence(violations: readonly Violation[]): string {
  return violations.map(({ path, message }) => `${path} ${message}`).join('; ');
}

type Lists = Readonly<Record<string, readonly string[] | undefined>>;

const CONTRADICTION: Violation = {
  path: 'after',
  message: 'contradicts snapshot=true, which begins with the present state',
};

const NOTHING_TO_WAIT_FOR: Violation = {
  path: 'wait',
  message: 'contradicts compact=true, which is of what there is already',
};

type QuerySchema = ReturnType<typeof makeQuerySchema>;

const made = new WeakMap<FeedEndpoint, QuerySchema>();

/**
 * The schema of a place's query; it sees each parameter as the list of its values. Made once for each place: to make it
 * takes far longer than to check a query by it, and when an instance goes all its sockets come to another one at once.
 */
export function querySchemaOf(endpoint: FeedEndpoint): QuerySchema {
  const known = made.get(endpoint);
  if (known) return known;
  const schema = makeQuerySchema(endpoint);
  made.set(endpoint, schema);
  return schema;
}

function makeQuerySchema({ topic, takes }: FeedEndpoint) {
  const extra = Object.fromEntries(takes.map(name => [name, EXTRA[name].optional()]));
  const filters = Object.entries(FILTERS[topic ?? ''] ?? {}).map(([name, { values }]) => [
    name,
    repeated(values ? z.enum(values, `must be ${values.join(', ')}`) : TEXT).optional(),
  ]);
  return z.strictObject({
    ...extra,
    ...Object.fromEntries(filters),
    ...(topic === undefined && { topic: repeated(TEXT).optional() }),
    type: repeated(TEXT).optional(),
    subject: repeated(topic === undefined ? TEXT : ID).optional(),
  });
}

// PostgreSQL's text holds no U+0000, so nothing has it; half a surrogate pair cannot come in a query.
const TEXT = z
  .string()
  .min(1, 'must not be empty')
  .max(1_000, 'must have at most 1,000 characters')
  .refine(text => !text.includes('\0'), 'must not contain U+0000');
const ID = z
  .string()
  .regex(UUID, 'must be an id, which is a UUID')
  .transform(id => id.toLowerCase());

function toFilter({ topic, type, subject, ...rest }: Lists, endpoint: FeedEndpoint): Filter {
  const known = FILTERS[endpoint.topic ?? ''] ?? {};
  const fields = Object.entries(rest).flatMap(([name, values]): [string, ReadonlySet<string>][] => {
    const filter = known[name];
    return filter && values ? [[filter.column, new Set(values)]] : [];
  });
  return {
    topics: new Set(endpoint.topic === undefined ? topic : [endpoint.topic]),
    types: new Set(type),
    subjects: new Set(subject),
    fields: new Map(fields),
  };
}

function unknownNames({ topics, types }: Filter, known: readonly TopicInfo[]): Violation[] {
  const strange = [...topics].filter(name => !known.some(({ topic }) => topic === name));
  const meant = known.filter(({ topic }) => topics.size === 0 || topics.has(topic));
  const alien = [...types].filter(type => !meant.some(info => isTypeOf(type, info)));
  return [
    ...strange.map(name => ({ path: 'topic', message: `${quote(name)} is none: there are ${list(known)}` })),
    ...(strange.length > 0 ? [] : alien).map(name => ({
      path: 'type',
      message: `${quote(name)} is none of ${list(meant)}`,
    })),
  ];
}

const list = (topics: readonly TopicInfo[]) => topics.map(({ topic }) => topic).join(', ');
const quote = (name: string) => JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);

function violationsOf(issue: z.core.$ZodIssue): Violation[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => ({ path: key, message: 'is not known here' }));
  }
  return [{ path: String(issue.path[0] ?? ''), message: issue.message }];
}
