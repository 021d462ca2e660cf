// Bad messages: each once, whole or cut off where it is said, and nothing that the service can take away again.
import test from 'ava';
import { refusal, withDatabase } from '../../helpers/sql.ts';

const INSERT = `
  INSERT INTO rejected_messages (subject, payload, payload_size, reason, stream, sequence, sent_at)
  VALUES ($1, $2, $3, $4, 'a stream', 1, '2026-11-24T12:00:00Z')`;
const ANY_BYTES = Buffer.from(Array.from({ length: 256 }, (_, index) => index));

test(
  'any bytes are kept, and a message only once',
  withDatabase(async (t, database) => {
    const psql = await database.psql();
    await psql.query(INSERT, ['s', ANY_BYTES, 256, 'why']);
    const { rows } = await psql.query('SELECT payload FROM rejected_messages');
    t.deepEqual(rows[0].payload, ANY_BYTES);
    const again = await refusal(psql.query(INSERT, ['s', ANY_BYTES, 256, 'why']));
    t.is(again.constraint, 'rejected_messages_pkey');
  }),
);

for (const [rule, values] of Object.entries({
  payload_kept: ['s', Buffer.alloc(65_537), 65_537, 'why'],
  subject_length: ['', ANY_BYTES, 256, 'why'],
  reason_length: ['s', ANY_BYTES, 256, ''],
})) {
  test(
    `the rule rejected_messages_${rule} holds`,
    withDatabase(async (t, database) => {
      const psql = await database.psql();
      t.is((await refusal(psql.query(INSERT, values))).constraint, `rejected_messages_${rule}`);
      if (rule === 'payload_kept') {
        const cutTooShort = ['s', Buffer.alloc(10), 11, 'why'];
        t.is((await refusal(psql.query(INSERT, cutTooShort))).constraint, `rejected_messages_${rule}`);
      }
    }),
  );
}

test(
  'the service adds and reads them, and can neither change nor delete one; a reader only reads',
  withDatabase(async (t, database) => {
    const psql = await database.psql();
    await psql.query('SET ROLE taskwire_app');
    await psql.query(INSERT, ['s', ANY_BYTES, 256, 'why']);
    const refused = ['DELETE FROM rejected_messages', `UPDATE rejected_messages SET reason = 'x'`];
    for (const statement of refused) t.is((await refusal(psql.query(statement))).code, '42501', statement);
    await psql.query('SET ROLE taskwire_reader');
    t.is((await psql.query('SELECT FROM rejected_messages')).rowCount, 1);
    t.is((await refusal(psql.query(INSERT, ['s', ANY_BYTES, 256, 'why']))).code, '42501');
  }),
);
