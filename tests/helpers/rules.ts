// The tests that every table's rules share: each is attacked, as the owner and as the role the service works under.
import type { TestFn } from 'ava';
import type pg from 'pg';
import { refusal, withDatabase } from './sql.ts';

/** A rule, by the name that its refusal gives, and a statement that breaks it. */
export type Attack = [rule: string, statement: string];

export interface Rules {
  table: string;
  /** Puts the row there that some attacks need. */
  setup: string;
  attacks: readonly Attack[];
  /** Rules on what the triggers make themselves: they stand behind them, for whoever switches triggers off. */
  behindTriggers?: readonly Attack[];
  /** Columns that a writer might leave empty, and must not. */
  required: readonly string[];
}

/** The rule that a statement breaks; what it did is undone. */
export async function brokenBy(session: pg.Client, statement: string): Promise<string | undefined> {
  await session.query('BEGIN');
  const { constraint } = await refusal(session.query(statement));
  await session.query('ROLLBACK');
  return constraint;
}

export function testRules(
  test: TestFn,
  { table, setup, attacks, behindTriggers = [], required }: Rules,
): void {
  for (const role of ['the owner', 'taskwire_app']) {
    test(
      `${role} cannot break a rule of ${table}, and is told which one it was`,
      withDatabase(async (t, database) => {
        const session = await database.psql();
        if (role !== 'the owner') await session.query(`SET ROLE ${role}`);
        await session.query(setup);
        for (const [rule, statement] of attacks) t.is(await brokenBy(session, statement), rule, statement);
      }),
    );
  }

  if (behindTriggers.length > 0)
    test(
      `the rules of ${table} behind the triggers hold with the triggers switched off`,
      withDatabase(async (t, database) => {
        const session = await database.psql();
        await session.query(setup);
        await session.query(`ALTER TABLE ${table} DISABLE TRIGGER ALL`);
        for (const [rule, statement] of behindTriggers)
          t.is(await brokenBy(session, statement), rule, statement);
      }),
    );

  test(
    `the rules of ${table} are held against every row, whoever writes it and however`,
    withDatabase(async (t, database) => {
      const session = await database.psql();
      const { rows } = await session.query(
        `SELECT contype, convalidated FROM pg_constraint WHERE conrelid = '${table}'::regclass AND conname = '${table}_rules'`,
      );
      t.deepEqual(rows, [{ contype: 'c', convalidated: true }]);
    }),
  );

  test(
    `no rule of ${table} goes without an attack here`,
    withDatabase(async (t, database) => {
      const session = await database.psql();
      // A rule is a constraint, or a name that the function of the one CHECK can give.
      const { rows } = await session.query(
        `SELECT conname AS rule FROM pg_constraint
         WHERE conrelid = '${table}'::regclass AND contype IN ('c', 'p', 'u', 'f') AND conname <> '${table}_rules'
         UNION ALL
         SELECT found[1] FROM pg_proc AS p, regexp_matches(pg_get_function_sqlbody(p.oid), '(?:THEN|ELSE) ''(\\w+)''', 'g') AS found
         WHERE p.proname ~ '^broken_\\w+_rule$' AND found[1] LIKE '${table}\\_%'`,
      );
      t.true(rows.length > 0);
      const attacked = new Set([...attacks, ...behindTriggers].map(([rule]) => rule));
      t.deepEqual(
        rows.map(row => row.rule).filter(name => !attacked.has(name)),
        [],
      );
    }),
  );

  test(
    `what a row of ${table} must have cannot be missing`,
    withDatabase(async (t, database) => {
      const session = await database.psql();
      for (const column of required) {
        await session.query('BEGIN');
        const fault = await refusal(session.query(`${setup}; UPDATE ${table} SET ${column} = NULL`));
        await session.query('ROLLBACK');
        t.deepEqual([fault.code, fault.column], ['23502', column]);
      }
    }),
  );
}
