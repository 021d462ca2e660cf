// The SQLSTATEs that the service acts on, each named once, and whose fault a refusal of the database is. Everything else
// compares with these names.

export const SQLSTATE = {
  inFailedTransaction: '25P02',
  readOnly: '25006',
  wrongPassword: '28P01',
  noSuchDatabase: '3D000',
  databaseExists: '42P04',
  insufficientPrivilege: '42501',
  serializationFailure: '40001',
  undefinedTable: '42P01',
  deadlock: '40P01',
  diskFull: '53100',
  tooManyConnections: '53300',
  lockNotAvailable: '55P03',
  queryCanceled: '57014',
  adminShutdown: '57P01',
  crashShutdown: '57P02',
  cannotConnectNow: '57P03',
  characterNotInRepertoire: '22021',
  untranslatableCharacter: '22P05',
  restrictViolation: '23001',
  notNullViolation: '23502',
  foreignKeyViolation: '23503',
  uniqueViolation: '23505',
  checkViolation: '23514',
  exclusionViolation: '23P01',
  raiseException: 'P0001',
} as const;

/** A table, index or sequence, a type, a function or a schema of that name is there already. */
export const EXISTS: ReadonlySet<string> = new Set(['42P07', '42710', '42723', '42P06']);

// 57P01–57P05: the server has ended the session, or is going away or coming up.
const ENDED = /^57P0[1-5]$/;

/** Whether the server itself has ended the session. */
export function isEndedByServer(code = ''): boolean {
  return ENDED.test(code);
}

/** The states of one that writes again where it only met others. */
export const MET_OTHERS: ReadonlySet<string> = new Set([SQLSTATE.serializationFailure, SQLSTATE.deadlock]);

/**
 * Whose fault it is that a statement failed.
 * - `away`: the server cannot be reached, is going away, or has no memory or connection left; it passes.
 * - `no_writes`: its disk is full or it is read-only; reading works.
 * - `slow`: a timeout, or a row that another transaction held for too long.
 * - `concurrent`: it only met other transactions.
 * - `conflict`: what was written contradicts another row.
 * - `content`: what was written breaks a rule.
 * - `service`: the statement itself is wrong, or something that was not foreseen.
 */
type Blame = 'away' | 'no_writes' | 'slow' | 'concurrent' | 'conflict' | 'content' | 'service';

const BLAME_OF_STATE: Readonly<Record<string, Blame>> = {
  [SQLSTATE.readOnly]: 'no_writes',
  [SQLSTATE.diskFull]: 'no_writes',
  [SQLSTATE.lockNotAvailable]: 'slow',
  [SQLSTATE.queryCanceled]: 'slow',
  [SQLSTATE.restrictViolation]: 'conflict', // PostgreSQL 18: a foreign key that is ON DELETE RESTRICT
  [SQLSTATE.foreignKeyViolation]: 'conflict',
  [SQLSTATE.uniqueViolation]: 'conflict',
  [SQLSTATE.exclusionViolation]: 'conflict',
  [SQLSTATE.raiseException]: 'content', // RAISE in a trigger of the operator's own
};
// The first two characters: data exceptions, constraints, and the check option of a view.
const BLAME_OF_CLASS: Readonly<Record<string, Blame>> = {
  '08': 'away',
  '22': 'content',
  '23': 'content',
  '40': 'concurrent',
  '44': 'content',
  '53': 'away',
};
// The classes that PostgreSQL itself has (its Appendix A). A state of any other class is one that the author of a trigger
// has chosen: RAISE … USING ERRCODE = 'MY001'.
const CLASSES_OF_SERVER = new Set(
  (
    '00 01 02 03 08 09 0A 0B 0F 0L 0P 0Z 10 20 21 22 23 24 25 26 27 28 2B 2D 2F 34 38 39 3B 3D 3F 40 42 44 53 54 ' +
    '55 57 58 72 F0 HV P0 XX'
  ).split(' '),
);

/** Whose fault it is, by the SQLSTATE. */
export function blameOf(code = ''): Blame {
  if (isEndedByServer(code)) return 'away';
  if (isOwn(code)) return 'content';
  return BLAME_OF_STATE[code] ?? BLAME_OF_CLASS[code.slice(0, 2)] ?? 'service';
}

/** Whether a RAISE said it: its words are then meant for the writer. */
export function isRaised(code = ''): boolean {
  return code === SQLSTATE.raiseException || isOwn(code);
}

function isOwn(code: string): boolean {
  return code.length === 5 && !CLASSES_OF_SERVER.has(code.slice(0, 2));
}

/** Whether what was written is at fault: written again as it is, it fails again. */
export function isWritersFault(code: string | undefined): boolean {
  const blame = blameOf(code);
  return blame === 'conflict' || blame === 'content';
}
