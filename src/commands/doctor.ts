// `npm run doctor`: every precondition and every trace of trouble on one page, with what to do; exit 1 if anything is wrong.
// It changes nothing.
import { examine } from '../doctor/doctor.ts';
import { openPatient } from '../doctor/patient.ts';
import { count, type Remark, wrong } from '../doctor/remark.ts';
import { linkTo } from '../runbook.ts';
import { type CommandContext, runCommand } from './command.ts';

const MARKS = { ok: 'ok   ', note: 'note ', wrong: 'WRONG' } as const;

const print = (line: string) => process.stdout.write(`${line}\n`);

await runCommand(diagnose);

async function diagnose(context: CommandContext): Promise<number> {
  const told: Remark[] = [];
  for await (const remark of remarksOn(context)) {
    tell(remark);
    told.push(remark);
  }
  return conclude(told);
}

// A database that cannot be reached is what a doctor is called for: it is a remark, and not an error.
async function* remarksOn({ config, url }: CommandContext): AsyncGenerator<Remark> {
  const { service, databaseUrl, poolSize, natsUrl, retention, archive, throughPooler } = config;
  const settings = { databaseUrl, directUrl: url, poolSize, natsUrl, retention, archive, throughPooler };
  const opened = await openPatient(service, settings).catch((error: unknown) => unreachable(url, error));
  if ('grade' in opened) return yield opened;
  try {
    yield* examine(opened.patient);
  } finally {
    await opened.close();
  }
}

function unreachable(url: string, error: unknown): Remark {
  const causes = error instanceof Error ? [error, error.cause] : [error];
  const said = causes.flatMap(each => (each instanceof Error ? each.message : []));
  return wrong('database', `${new URL(url).host}: ${said.join(': ')}`, {
    advice: 'look whether the server runs and takes connections from here, and at DATABASE_URL',
    section: 'the-database-is-away',
  });
}

function tell({ subject, grade, text, advice, section }: Remark): void {
  print(`${MARKS[grade]}  ${subject.padEnd(17)}  ${text}`);
  if (advice !== undefined) print(`       → ${advice}`);
  if (section !== undefined) print(`       → ${linkTo(section)}`);
}

function conclude(told: readonly Remark[]): number {
  const [isWrong, worthKnowing] = (['wrong', 'note'] as const).map(
    wanted => told.filter(({ grade }) => grade === wanted).length,
  ) as [number, number];
  const notes = worthKnowing === 0 ? '' : `; ${count(worthKnowing, 'note')}`;
  print(isWrong === 0 ? `\nnothing is wrong${notes}` : `\n${count(isWrong, 'thing')} to mend${notes}`);
  return isWrong === 0 ? 0 : 1;
}
