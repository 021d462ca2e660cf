// How the schema of a database stands to the one of this program: what it lacks, and what it is ahead in. An older program
// works on a newer schema, so that instances can be replaced one by one; on an older one it does not.
import type { SqlVersion } from './sql_files.ts';

/** What a program brings. */
export interface ProgramSchema {
  migrations: readonly string[];
  sql: SqlVersion;
}

/** What a database has; of a sql/ from before there were versions the version is null. */
export interface DatabaseSchema {
  migrations: readonly string[];
  sqlVersion: number | null;
  sqlHash: string | null;
}

interface SchemaDifference {
  /** What the program needs and the database does not have, as sentences. */
  behind: readonly string[];
  /** What the database has from a newer program, as sentences. */
  ahead: readonly string[];
}

export function compareSchemas(program: ProgramSchema, database: DatabaseSchema): SchemaDifference {
  const [known, applied] = [new Set(program.migrations), new Set(database.migrations)];
  const missing = program.migrations.filter(name => !applied.has(name));
  const newer = database.migrations.filter(name => !known.has(name));
  const sql = compareSql(program.sql, database);
  return {
    behind: [
      ...missing.map(name => `the migration ${name} is not applied`),
      ...(sql === 'older' ? ['sql/ in the database is not the one of this version'] : []),
    ],
    ahead: [
      ...(newer.length > 0
        ? [
            `the database has migrations of a newer version, up to ${newer.at(-1)}; this program's end with ${program.migrations.at(-1)}`,
          ]
        : []),
      ...(sql === 'newer'
        ? [
            `sql/ in the database is of a newer version, ${database.sqlVersion}; this program's is ${program.sql.version}`,
          ]
        : []),
    ],
  };
}

/** Whether the sql/ of a database is older than a program's, so that the program's takes its place, or newer, or the same. */
export function compareSql(
  { version, hash }: SqlVersion,
  { sqlVersion, sqlHash }: Omit<DatabaseSchema, 'migrations'>,
): 'older' | 'same' | 'newer' {
  if (sqlVersion !== null && sqlVersion > version) return 'newer';
  return sqlVersion === version && sqlHash === hash ? 'same' : 'older';
}
