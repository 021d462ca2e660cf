// `npm run verify`: folds the log and holds it against the tables; prints what differs, exit 1 if anything does.
import { closeSession, openSession } from '../postgres/session.ts';
import { runCommand } from './command.ts';

await runCommand(async ({ config, url }) => {
  const session = await openSession({ url, service: config.service, name: 'verify' });
  try {
    const { rows } = await session.query<{ topic: string | null; subject: string | null; fault: string }>(
      'SELECT topic, subject, fault FROM feed.verify()',
    );
    for (const { topic, subject, fault } of rows) {
      const place = topic === null ? 'the log' : [topic, subject].filter(part => part !== null).join(' ');
      process.stdout.write(`${place}: ${fault}\n`);
    }
    const head = await session.query<{ head: string }>(
      'SELECT max(last_position) AS head FROM feed.event_batches',
    );
    process.stdout.write(
      rows.length === 0
        ? `the log, up to position ${head.rows[0]?.head}, and the tables agree\n`
        : `${rows.length} differences\n`,
    );
    return rows.length === 0 ? 0 : 1;
  } finally {
    await closeSession(session);
  }
});
