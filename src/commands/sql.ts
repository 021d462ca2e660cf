// `npm run sql -- "…"`: one statement against the running database, for a machine without psql.
import type { EventEmitter } from 'node:events';
import pg from 'pg';
import { schemasOf } from '../postgres/names.ts';
import { closeSession, sessionConfig } from '../postgres/session.ts';
import { runCommand } from './command.ts';

const [statement, ...others] = process.argv.slice(2);
if (statement === undefined || others.length > 0) {
  process.stderr.write(`usage: npm run sql -- "INSERT INTO tasks (title) VALUES ('from psql')"\n`);
  process.exit(1);
}

// A bare name is the service's own table first, whatever else the database holds.
const FIND_TABLES = `SELECT set_config('search_path', concat_ws(', ', $1::text, nullif(current_setting('search_path'), '')), false)`;

await runCommand(async ({ config: { service }, url }) => {
  // Values as the server writes them: nothing is to be calculated with here.
  const asText = { getTypeParser: () => (value: string | Buffer) => String(value) };
  const session = new pg.Client({ ...sessionConfig({ url, service, name: 'sql' }), types: asText });
  session.on('error', () => {}); // the statement rejects with it
  session.on('notice', notice => process.stderr.write(`${notice.severity}: ${notice.message}\n`));
  await session.connect();
  // COPY … TO STDOUT, which is no result to pg.
  (session.connection as EventEmitter).on('copyData', ({ chunk }: { chunk: Buffer }) =>
    process.stdout.write(chunk),
  );
  try {
    await session.query(FIND_TABLES, [schemasOf(service).resources]);
    const answer = await session.query({ text: statement, rowMode: 'array' });
    for (const result of Array.isArray(answer) ? answer : [answer]) {
      if (result.command === null) throw new Error('there is no statement in it');
      process.stdout.write(show(result));
    }
    if (session.getTransactionStatus() !== 'I')
      throw new Error('the transaction that it begins ends with it: nothing of it was kept. Add COMMIT');
    return 0;
  } finally {
    await closeSession(session);
  }
});

function show({ fields, rows, command, rowCount }: pg.QueryArrayResult<(string | null)[]>): string {
  const tag = `${command}${rowCount === null ? '' : ` ${rowCount}`}\n`;
  if (fields.length === 0) return tag;
  const table = [fields.map(field => field.name), ...rows.map(row => row.map(value => value ?? ''))];
  const widths = fields.map((_, column) => Math.max(...table.map(row => row[column]?.length ?? 0)));
  const lines = table.map(row =>
    row
      .map((value, column) => value.padEnd(widths[column] ?? 0))
      .join(' | ')
      .trimEnd(),
  );
  lines.splice(1, 0, widths.map(width => '-'.repeat(width)).join('-+-'));
  return `${lines.join('\n')}\n${tag}`;
}
