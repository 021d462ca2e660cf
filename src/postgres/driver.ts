// Slonik's driver for PostgreSQL. Slonik's own is for a database that stays: it asks for types on a connection whose loss
// is not heard, which ends the process; hands its pool connections that were lost a moment ago, which ends the process or
// leaves a caller waiting for ever; forgets callers that wait for one that cannot be made; and waits for ever for an answer.
import { EventEmitter } from 'node:events';
import pg from 'pg';
import { BackendTerminatedError, ConnectionError, type DriverFactory } from 'slonik';
import { settleWithin } from '../within.ts';
import { bindStatement } from './bind_names.ts';
import { queryScoped } from './scoped_query.ts';
import {
  closeSession,
  destroySession,
  openBareSession,
  openSession,
  queryWithTimeout,
  refuseStandby,
  type SessionOptions,
} from './session.ts';
import { transactionSettings } from './settings.ts';
import { isEndedByServer } from './sqlstate.ts';

type Driver = Awaited<ReturnType<DriverFactory>>;
type Client = Awaited<ReturnType<Driver['createClient']>>;
type Answer = Awaited<ReturnType<Client['query']>>;

interface DriverOptions {
  session: SessionOptions;
  /** Whether a transaction pooler stands between: nothing is left on a connection, each transaction sets what it needs. */
  throughPooler: boolean;
  /** Whether a standby will do. */
  maybeStandby: boolean;
  /** Statements that are run once on every new connection; Slonik's own interceptors run at every checkout. */
  onConnect: readonly string[];
  /** Milliseconds. */
  answerWithin: number;
}

const FINISH_WITHIN = 2_000; // ms
let nextId = 1;

/**
 * A standby is refused unless it is meant: a reader that reads there and listens elsewhere takes what is new for made up. An int8 is a number and must
 * be a safe one.
 *
 * What PostgreSQL refuses is thrown as it said it, a pg.DatabaseError; a lost connection as BackendTerminatedError, or
 * ConnectionError where none was had.
 *
 * A query that is not answered within `answerWithin` milliseconds ends its connection. The server's timeout cannot be
 * relied on: its word may not come through either.
 */
export function createDriverFactory(options: DriverOptions): DriverFactory {
  return async () => {
    const clients = new Set<PoolClient>();
    const ask = options.throughPooler ? queryThroughPooler(options.session) : queryDirectly;
    // What has rested meanwhile is as dead, most likely: better a new connection than so long a wait on each.
    const silent = () => {
      for (const client of clients) client.distrust();
    };
    return {
      createClient: async () => {
        const connection = await connect(options).catch(toConnectionError);
        const client = createClient(connection, { ask, answerWithin: options.answerWithin, silent });
        clients.add(client);
        client.on('destroy', () => clients.delete(client));
        return client;
      },
    };
  };
}

interface Question {
  text: string;
  values: unknown[];
  /** Under which the statement is prepared. */
  name: string | undefined;
}

type Ask = (session: pg.Client, question: Question) => Promise<pg.QueryResult>;

const queryDirectly: Ask = (session, { text, values, name }) =>
  session.query({ text, values, ...(name && { name }) });

function queryThroughPooler({ service, settings }: SessionOptions): Ask {
  const first = transactionSettings(settings);
  return (session, { text, values }) =>
    session.getTransactionStatus() === 'I'
      ? queryScoped(session, { text: bindStatement(service, text), values }, first)
      : session.query({ text, values });
}

async function connect(options: DriverOptions): Promise<pg.Client> {
  const { onConnect, answerWithin, throughPooler, maybeStandby } = options;
  const open = throughPooler ? openBareSession : openSession;
  const config = { ...options.session.config, types: { getTypeParser } };
  const session = await open({ ...options.session, config });
  let lost: Error | undefined;
  session.once('error', error => {
    lost = error;
  });
  try {
    if (!maybeStandby) await refuseStandby(session);
    for (const statement of onConnect) await queryWithTimeout(session, answerWithin, statement);
    // The end of a session may have come in one packet with its last answer: then no caller has been told yet.
    if (lost) throw lost;
    return session;
  } catch (error) {
    await closeSession(session);
    throw error;
  }
}

function toConnectionError(cause: unknown): ConnectionError {
  return new ConnectionError('no connection could be opened', { cause: cause as Error });
}

interface PoolClient extends Client {
  /** If it rests it is given up. */
  distrust(): void;
}

/**
 * One that is lost before the pool has taken it, or that could never be made, can be taken all the same, and fails its
 * first query: the pool copes with that and destroys it, but not with one that is refused to it.
 */
function createClient(
  connection: pg.Client | ConnectionError,
  { ask: put, answerWithin, silent }: { ask: Ask; answerWithin: number; silent(): void },
): PoolClient {
  const session = connection instanceof Error ? undefined : connection;
  const events = new EventEmitter();
  const id = String(nextId++);
  let state: ReturnType<Client['state']> = 'IDLE';
  let wasTaken = false;
  let lost = connection instanceof Error ? connection : undefined;
  let asked: Promise<unknown> | undefined;
  let ended: Promise<void> | undefined;

  function lose(error: Error): void {
    if (state === 'DESTROYED') return;
    lost ??= new BackendTerminatedError(error);
    if (state === 'IDLE' && wasTaken) void destroy();
    // Who works with it is told now, also where no query is under way. Unheard, an 'error' would end the process.
    else if (events.listenerCount('error') > 0) events.emit('error', lost);
  }

  function destroy(): Promise<void> {
    if (state === 'DESTROYED') return ended ?? Promise.resolve();
    state = 'DESTROYED';
    ended = end();
    events.emit('destroy');
    return ended;
  }

  async function end(): Promise<void> {
    if (!session) return;
    if (asked && !lost) await settleWithin(FINISH_WITHIN, asked);
    lost ??= new ConnectionError('the connection is closed');
    await closeSession(session);
  }

  async function ask(text: string, values: unknown[], name: string | undefined): Promise<Answer> {
    if (!session || lost || state !== 'ACQUIRED')
      throw lost ?? new ConnectionError('the connection is closed');
    const giveUp = setTimeout(() => {
      lose(new Error('the connection does not answer'));
      destroySession(session);
      silent();
    }, answerWithin);
    try {
      const { command, fields, rowCount, rows } = await put(session, { text, values, name });
      const columns = fields.map(field => ({ name: field.name, dataTypeId: field.dataTypeID }));
      return { command: command as Answer['command'], fields: columns, rowCount, rows };
    } catch (error) {
      const isSaid = error instanceof pg.DatabaseError;
      if (isSaid && isEndedByServer(error.code)) throw new BackendTerminatedError(error);
      throw isSaid ? error : (lost ?? error);
    } finally {
      clearTimeout(giveUp);
    }
  }

  session?.on('error', lose);
  session?.once('end', () => lose(new Error('the connection has ended')));
  session?.on('notice', ({ message }) => events.emit('notice', { message }));
  return {
    id: () => id,
    state: () => state,
    acquire() {
      wasTaken = true;
      state = 'ACQUIRED';
    },
    // As it is: nothing is left behind that DISCARD ALL would have to take away, at the cost of a round trip and of the
    // prepared statements. Settings are made with set_config(…, true), locks are taken by sessions of their own.
    async release() {
      if (state !== 'ACQUIRED') return;
      if (lost) return destroy();
      state = 'IDLE';
      events.emit('release');
    },
    destroy,
    distrust() {
      if (state === 'IDLE' && wasTaken) void destroy();
    },
    query(text, values = [], { name } = {}) {
      const answer = ask(text, values, name);
      asked = answer.catch(() => {}); // the caller is told
      return answer;
    },
    stream() {
      throw new TypeError('this driver does not stream');
    },
    on: events.on.bind(events) as Client['on'],
    off: events.off.bind(events) as Client['off'],
    removeListener: events.off.bind(events) as Client['removeListener'],
  };
}

// By its number in pg_type.dat, which never changes.
function getTypeParser(oid: number, format: 'text' | 'binary' = 'text') {
  return oid === pg.types.builtins.INT8 ? parseInt8 : pg.types.getTypeParser(oid, format as 'text');
}

function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is no safe integer`);
  return value;
}
