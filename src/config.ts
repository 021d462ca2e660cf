// The settings, and the only reader of process.env. Every fault is found at once, before anything starts.
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { loadEnvFile } from 'node:process';
import { z } from 'zod';
import { ServiceError } from './errors.ts';
import { nextTime } from './jobs/schedule.ts';
import { LONGEST_DURATION, secondsOf } from './parsing/duration.ts';
import { DEFAULT_SERVICE, isServiceName } from './postgres/names.ts';
import { tlsFault, withLibpqTls } from './postgres/tls.ts';

/** One place the generator reads from: the adapter, by name, and its address, where one is given. */
export interface TaskSource {
  adapter: string;
  url: string | undefined;
}

/** What the settings must know of an adapter. */
interface AdapterNeeds {
  readonly name: string;
  readonly needsUrl?: boolean;
}

/** The validated settings. */
export type Config = ReturnType<typeof parse>;

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/;
const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be a whole number from ${least} to ${most}`)
    .transform(Number)
    .refine(value => value >= least && value <= most, `must be a whole number from ${least} to ${most}`);
const postgresUrl = z
  .string()
  .regex(/^postgres(ql)?:\/\/.+/, {
    error: 'must be an address such as postgresql://user:password@host:5432/database',
    abort: true, // one fault is enough
  })
  .refine(text => URL.canParse(text), 'is no valid address');

// An address may hold a password, so no fault repeats it.
const natsUrl = z
  .string()
  .refine(isNatsUrl, 'must be an address such as nats://127.0.0.1:4222 or tls://user:password@host');

const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, `must be ${values.slice(0, -1).join(', ')} or ${values.at(-1)}`);

const cron = z
  .string()
  .refine(isCron, { error: 'must be five cron fields such as "*/15 * * * *", or off', abort: true })
  .refine(comes, 'names no day of the calendar, so it would never run: write off for never');

const Settings = z.object({
  SERVICE_NAME: z
    .string()
    .refine(
      isServiceName,
      'must be 1 to 40 of a–z, 0–9 and _, a letter first, no name in use (public, feed, graphile, pg, information_schema), and not begin with pg_ or taskwire_ or end in _feed or _worker',
    )
    .default(DEFAULT_SERVICE),
  HOST: z.string().refine(isHost, 'must be an IP address or a host name').default('127.0.0.1'),
  PORT: wholeNumber(0, 65535).default(8000),
  STOP_DELAY: wholeNumber(0, 60).default(0),
  STOP_SPREAD: wholeNumber(0, 60).default(0),
  DATABASE_URL: postgresUrl.optional(),
  DATABASE_DIRECT_URL: postgresUrl.optional(),
  DATABASE_REPLICA_URL: postgresUrl.optional(),
  DATA_DIR: z.string().default('.data'),
  DATABASE_PORT: wholeNumber(1, 65535).optional(),
  DATABASE_POOL_SIZE: wholeNumber(2, 1000).default(10),
  ROLE: oneOf(['all', 'edge']).default('all'),
  FEED: oneOf(['postgres', 'nats']).default('postgres'),
  AUTH: oneOf(['none', 'token']).optional(),
  RATE_LIMIT: z
    .string()
    .regex(/^(off|[1-9]\d{0,8})$/, 'must be a whole number from 1, or off')
    .optional(),
  SOCKET_LIMIT: z
    .string()
    .regex(/^(off|[1-9]\d{0,8})$/, 'must be a whole number from 1, or off')
    .optional(),
  ALLOWED_ORIGINS: z
    .string()
    .default('')
    .transform(splitOrigins)
    .refine(
      origins => origins.every(isOrigin),
      'must be origins such as https://example.org, without a path',
    ),
  GENERATOR_CRON: cron.default('*/15 * * * *'),
  TASK_SOURCES: z.string().optional().transform(splitSources),
  RATES_CRON: cron.default('0 * * * *'),
  RATES_URL: z
    .string()
    .refine(isHttpUrl, 'must be an address such as https://www.cbr.ru/scripts/XML_daily.asp')
    .default('https://www.cbr.ru/scripts/XML_daily.asp'),
  GITHUB_TOKEN: z
    .string()
    .trim()
    .regex(/^[!-~]+$/, 'must be one word of plain ASCII')
    .optional(),
  NATS_URL: natsUrl.optional(),
  // What the rest of the world calls it: any other word says that it is none.
  NODE_ENV: z.string().optional(),
  EVENT_RETENTION: z
    .string()
    .regex(/^(forever|[1-9]\d{0,6}[smhd])$/, 'must be forever, or a number with s, m, h or d, such as 30d')
    .refine(text => (secondsOf(text) ?? 0) <= LONGEST_DURATION, 'must be at most 36500d')
    .default('forever'),
  EVENT_PARTITION: wholeNumber(100, 999_999_999).optional(),
  EVENT_ARCHIVE: z.string().optional(),
  LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

/** Reads `.env`, where there is one, and the environment, which wins. Throws a ServiceError that names all faults. */
export function readConfig(adapters: readonly AdapterNeeds[]): Config {
  if (existsSync('.env')) loadEnvFile('.env');
  return parse(process.env, adapters);
}

/** The settings in `environment`; an empty value is as good as none. For tests, which bring their own. */
export function parse(environment: Record<string, string | undefined>, adapters: readonly AdapterNeeds[]) {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const result = Settings.safeParse(given);
  const violations = result.success
    ? []
    : result.error.issues.map(issue => `${issue.path.join('.')} ${issue.message}`);
  const sources = result.success ? result.data.TASK_SOURCES : splitSources(given.TASK_SOURCES);
  violations.push(...tlsFaults(given), ...sourceFaults(sources, adapters));
  for (const name of ['DATABASE_DIRECT_URL', 'DATABASE_REPLICA_URL'])
    if (given[name] && !given.DATABASE_URL)
      violations.push(`${name} is given without DATABASE_URL, which it goes beside`);
  violations.push(...roleFaults(given));
  if (!result.success || violations.length > 0) {
    throw new ServiceError(
      'unfit_settings',
      `the settings are wrong:\n${violations.map(violation => `  - ${violation}`).join('\n')}`,
    );
  }
  const settings = result.data;
  const auth = settings.AUTH ?? (LOOPBACK.test(settings.HOST) ? 'none' : 'token');
  const address = (url: string | undefined) => url && withLibpqTls(url, given.PGSSLMODE);
  return {
    service: settings.SERVICE_NAME,
    host: settings.HOST,
    loopback: LOOPBACK.test(settings.HOST),
    auth,
    port: settings.PORT,
    stopDelay: settings.STOP_DELAY * 1_000,
    stopSpread: settings.STOP_SPREAD * 1_000,
    databaseUrl: address(settings.DATABASE_URL),
    directUrl: address(settings.DATABASE_DIRECT_URL ?? settings.DATABASE_URL),
    replicaUrl: address(settings.DATABASE_REPLICA_URL),
    throughPooler: settings.DATABASE_DIRECT_URL !== undefined,
    role: settings.ROLE,
    dataDir: settings.DATA_DIR,
    databasePort: settings.DATABASE_PORT,
    poolSize: settings.DATABASE_POOL_SIZE,
    rateLimit: limitOf(settings.RATE_LIMIT, auth, RATE_OF_A_TOKEN),
    socketLimit: limitOf(settings.SOCKET_LIMIT, auth, SOCKETS_OF_A_TOKEN),
    allowedOrigins: settings.ALLOWED_ORIGINS,
    generatorCron: settings.GENERATOR_CRON === 'off' ? undefined : settings.GENERATOR_CRON,
    taskSources:
      sources ?? (settings.DATABASE_URL === undefined ? [{ adapter: 'sample', url: undefined }] : []),
    ratesCron: settings.RATES_CRON === 'off' ? undefined : settings.RATES_CRON,
    ratesUrl: settings.RATES_URL,
    sourceTokens: { github: settings.GITHUB_TOKEN },
    natsUrl: settings.NATS_URL,
    retention: secondsOf(settings.EVENT_RETENTION), // undefined for ever
    partition: settings.EVENT_PARTITION,
    archive: settings.EVENT_ARCHIVE,
    production: settings.NODE_ENV === 'production',
    logLevel: settings.LOG_LEVEL,
    pretty: Boolean(process.stdout.isTTY),
  };
}

const RATE_OF_A_TOKEN = 12_000;
const SOCKETS_OF_A_TOKEN = 1_000;

// An address is no client: behind a proxy it is all of them, who would be refused for what one of them does. So where only
// addresses are known nothing is limited but by the operator's own word.
function limitOf(given: string | undefined, auth: string | undefined, ofToken: number): number | undefined {
  if (given === undefined) return auth === 'token' ? ofToken : undefined;
  return given === 'off' ? undefined : Number(given);
}

// What is no address at all is named already.
function tlsFaults(given: Record<string, string | undefined>): string[] {
  return ['DATABASE_URL', 'DATABASE_DIRECT_URL', 'DATABASE_REPLICA_URL'].flatMap(name => {
    const { data: address } = postgresUrl.safeParse(given[name]);
    const violation = address && tlsFault(address, given.PGSSLMODE);
    return violation ? [`${name} ${violation}`] : [];
  });
}

// The stream is filled by instances that hear PostgreSQL, and an edge hears nothing but the stream.
function roleFaults({ ROLE, FEED, NATS_URL, DATABASE_URL }: Record<string, string | undefined>): string[] {
  const [isEdge, isFed] = [ROLE === 'edge', FEED === 'nats'];
  return [
    ...(isEdge && !isFed ? ['ROLE is edge, which hears no PostgreSQL: it needs FEED=nats'] : []),
    ...(isFed && !isEdge
      ? ['FEED is nats, which is for ROLE=edge: the other instances fill the stream']
      : []),
    ...(isFed && !NATS_URL ? ['FEED is nats, and NATS_URL is not given'] : []),
    ...(isEdge && !DATABASE_URL
      ? ['ROLE is edge, which brings no database along: it needs DATABASE_URL']
      : []),
  ];
}

// An address may hold a password, so no fault repeats it.
function sourceFaults(sources: TaskSource[] | undefined, adapters: readonly AdapterNeeds[]): string[] {
  const names = (sources ?? []).map(({ adapter }) => adapter);
  const violations = (sources ?? []).flatMap(({ adapter, url }) => {
    const known = adapters.find(({ name }) => name === adapter);
    if (!known) {
      const names = adapters.map(({ name }) => name).join(', ');
      return [`TASK_SOURCES names the adapter "${adapter}"; there are ${names}`];
    }
    if (known.needsUrl && !url) {
      return [`TASK_SOURCES gives ${adapter} no address, which it needs: write ${adapter}=https://…`];
    }
    if (url !== undefined && !isHttpUrl(url)) {
      return [`TASK_SOURCES gives ${adapter} an address that is not http(s)`];
    }
    return [];
  });
  const repeated = new Set(names.filter((name, index) => names.indexOf(name) !== index));
  // A task is known by its adapter and id: two addresses of one adapter would take each other's tasks for their own.
  return [...violations, ...[...repeated].map(name => `TASK_SOURCES names ${name} twice`)];
}

function splitSources(text: string | undefined): TaskSource[] | undefined {
  return text
    ?.split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
    .map(part => {
      const at = part.indexOf('=');
      return at < 0
        ? { adapter: part, url: undefined }
        : { adapter: part.slice(0, at), url: part.slice(at + 1) };
    });
}

function splitOrigins(text: string): string[] {
  return text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '');
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

function isNatsUrl(text: string): boolean {
  if (!/^(nats|tls):\/\//.test(text) || !URL.canParse(text)) return false;
  const { hostname, pathname, search, hash, username, password } = new URL(text);
  const isPlain = /^\/?$/.test(pathname) && search === '' && hash === '';
  return hostname !== '' && isPlain && isDecodable(username) && isDecodable(password);
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function isOrigin(text: string): boolean {
  return isHttpUrl(text) && new URL(text).origin === text;
}

function isHost(text: string): boolean {
  return isIP(text) !== 0 || /^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$/.test(text);
}

function isCron(text: string): boolean {
  try {
    comes(text);
    return true;
  } catch {
    return false;
  }
}

// Whether there is a time at which it runs, or it says that there shall be none.
function comes(text: string): boolean {
  return text === 'off' || nextTime(text, new Date()) !== undefined;
}
