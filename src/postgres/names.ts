// What a service is called in its database, so that several can share one. How SQL gets these names: bind_names.ts.

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

/** The role that the application works as. */
export const appRole = (service: string) => `${service}_app`;

/** The role of those who only read. */
export const readerRole = (service: string) => `${service}_reader`;

// Names that PostgreSQL keeps for itself, and those of another service: of the default one, or of one called what stands
// before the ending.
const TAKEN = /^(pg|pg_.*|information_schema|public|feed|graphile|taskwire_.*|.*_feed|.*_worker)$/;

/** Whether a service may be called so. Words of SQL are refused when there is a server to ask, see fitness.ts. */
export function isServiceName(name: string): boolean {
  return /^[a-z][a-z0-9_]{0,39}$/.test(name) && !TAKEN.test(name);
}
