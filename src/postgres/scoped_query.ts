// A query for connections that are shared through a transaction pooler, such as PgBouncer: the next transaction may be on
// another connection to the server, so that nothing can be left there, no setting and no prepared statement. The settings
// come in the query's own round trip, in the transaction that PostgreSQL makes of all that is sent before one Sync, and end
// with it. A START TRANSACTION carries them through the whole of its transaction.
import pg from 'pg';

/** What of pg's connection is used; its types leave it out. */
interface Wire {
  stream: { cork(): void; uncork(): void };
  parse(statement: { text: string }): void;
  bind(portal: { values: readonly unknown[] }): void;
  execute(portal: Record<string, never>): void;
}

/** The handlers of pg's Query that answers come to, one for each message. */
interface Handlers {
  submit(wire: Wire): unknown;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, wire: Wire): void;
}

/** Asks on a session that is in no transaction; the settings in force are those that `settings` makes. */
export function queryScoped(
  session: pg.Client,
  query: { text: string; values: readonly unknown[] },
  settings: readonly pg.QueryConfig[],
): Promise<pg.QueryResult> {
  return new Promise((resolve, reject) => {
    const { text, values } = query;
    const asked = new pg.Query({ text, values: [...values], ...EXTENDED }, (error, result) =>
      error ? reject(error) : resolve(result as unknown as pg.QueryResult),
    );
    precede(asked as unknown as Handlers, settings);
    session.query(asked);
  });
}

// Also without parameters: a simple query would be a transaction of its own.
const EXTENDED = { queryMode: 'extended' };

function precede(query: Handlers, settings: readonly pg.QueryConfig[]): void {
  const { submit, handleDataRow, handleCommandComplete } = query;
  let awaited = settings.length; // statements whose answers are not the query's
  query.submit = wire => {
    wire.stream.cork();
    try {
      for (const { text, values = [] } of settings) {
        wire.parse({ text });
        wire.bind({ values });
        wire.execute({});
      }
      return submit.call(query, wire);
    } finally {
      wire.stream.uncork();
    }
  };
  query.handleDataRow = message => {
    if (awaited === 0) handleDataRow.call(query, message);
  };
  query.handleCommandComplete = (message, wire) => {
    if (awaited === 0) handleCommandComplete.call(query, message, wire);
    else awaited--;
  };
}
