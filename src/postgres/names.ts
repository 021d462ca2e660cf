// What a service is called in its database. All SQL is written for the default name; where it leaves for the database
// the names of another service take their place, so that several can share one database.
import type pg from 'pg';

/** The name of a service that was given none. */
export const DEFAULT_SERVICE = 'taskwire';

/** The schemas of a service: of tasks, runs and imports, of the event path, and of the job queue. */
export interface Schemas {
  resources: string;
  feed: string;
  jobs: string;
}

export function schemasOf(service: string): Schemas {
  return service === DEFAULT_SERVICE
    ? { resources: 'public', feed: 'feed', jobs: 'graphile_worker' }
    : { resources: service, feed: `${service}_feed`, jobs: `${service}_worker` };
}

// Names that PostgreSQL keeps for itself, and those of another service: of the default one, or of one called what stands
// before the ending.
const TAKEN = /^(pg|pg_.*|information_schema|public|feed|graphile|taskwire_.*|.*_feed|.*_worker)$/;

/** Whether a service may be called so. Words of SQL are refused when there is a server to ask, see fitness.ts. */
export function isServiceName(name: string): boolean {
  return /^[a-z][a-z0-9_]{0,39}$/.test(name) && !TAKEN.test(name);
}

// PUBLIC, everybody, is written in capitals and stays. `taskwire` itself names lock keys and channels. The settings that
// a writer makes for its own transaction, taskwire.origin and the like, are called so everywhere: as a prefix the name
// of an extension, such as plpgsql, would be refused.
const DEFAULT_NAMES = /\b(public|feed|graphile_worker|taskwire(?:_app|_reader)?(?!\.\w))\b/g;

/** SQL as it is for a service. Of the service with the default name that is the text itself. */
export function renameSql(service: string, text: string): string {
  if (service === DEFAULT_SERVICE) return text;
  const { resources, feed, jobs } = schemasOf(service);
  const schemas = new Map([
    ['public', resources],
    ['feed', feed],
    ['graphile_worker', jobs],
  ]);
  return text.replace(DEFAULT_NAMES, name => schemas.get(name) ?? name.replace(DEFAULT_SERVICE, service));
}

/** Makes a client send the SQL of a service, whatever queries; returns it. */
export function speakFor<Client extends pg.ClientBase>(service: string, client: Client): Client {
  if (service === DEFAULT_SERVICE) return client;
  return rewriteQueries(client, text => renameSql(service, text));
}

/** Makes a client rewrite what it is to send; returns it. */
export function rewriteQueries<Client extends pg.ClientBase>(
  client: Client,
  rewrite: (text: string) => string,
): Client {
  client.query = new Proxy(client.query, {
    apply: (query, self, [first, ...others]) =>
      Reflect.apply(query, self, [rewritten(first, rewrite), ...others]),
  });
  return client;
}

function rewritten(query: unknown, rewrite: (text: string) => string): unknown {
  if (typeof query === 'string') return rewrite(query);
  if (typeof query !== 'object' || query === null || !('text' in query) || 'submit' in query) return query;
  return { ...query, text: rewrite(String(query.text)) };
}
