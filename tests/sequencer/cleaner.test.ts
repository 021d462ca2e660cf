// The cleaner as the sequencer drives it.
import test from 'ava';
import { createLogger } from '../../src/logger.ts';
import { readChannels } from '../../src/queries/log.ts';
import type { StagedRow } from '../../src/sequencer/cleaner.ts';
import { createSequencer } from '../../src/sequencer/sequencer.ts';
import { withDatabase } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

const MANY = `INSERT INTO tasks (title) SELECT 'task' FROM generate_series(1, 5000)`;

test(
  'whoever leads anew cleans from the beginning: the rows it knows may have been another log’s',
  withDatabase(async (t, database) => {
    const psql = await database.psql();
    const { doorbell } = await readChannels(database.pool);
    const pieces: StagedRow[] = [];
    const sequencer = createSequencer({
      url: database.url,
      service: 'taskwire',
      doorbell,
      leads: () => {},
      numbered: () => {},
      clean: async after => {
        pieces.push(after);
        return after.xid === '0' ? { xid: '700', id: '7' } : null;
      },
      logger: createLogger({ level: 'fatal', pretty: false }),
    });
    t.teardown(sequencer.stop);
    await sequencer.start();
    await psql.query(MANY);
    await until(() => pieces.length === 2);
    await psql.query(`
      SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
      WHERE application_name = 'taskwire sequencer' AND datname = current_database()`);
    await psql.query(MANY);
    await until(() => pieces.length === 4);
    t.deepEqual(
      pieces.map(({ xid }) => xid),
      ['0', '700', '0', '700'],
    );
  }),
);
