// The settings: what holds without any, and that every fault is named, all at once.
import test from 'ava';
import { parse } from '../src/config.ts';
import { ServiceError } from '../src/errors.ts';

const ADAPTERS = [{ name: 'sample' }, { name: 'github', needsUrl: true }];
const DATABASE = 'postgresql://me:secret@db:5432/tasks';
const settings = (environment: Record<string, string | undefined>) => parse(environment, ADAPTERS);

/** The lines of the complaint, a fault each. */
function violations(environment: Record<string, string>): string[] {
  try {
    settings(environment);
    return [];
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== 'unfit_settings') throw error;
    return error.message.split('\n').slice(1);
  }
}

test('nothing needs to be set', t => {
  t.like(settings({}), {
    service: 'taskwire',
    host: '127.0.0.1',
    port: 8000,
    databaseUrl: undefined,
    directUrl: undefined,
    dataDir: '.data',
    databasePort: undefined,
    poolSize: 10,
    allowedOrigins: [],
    generatorCron: '*/15 * * * *',
    taskSources: [{ adapter: 'sample', url: undefined }],
    ratesCron: '0 * * * *',
    ratesUrl: 'https://www.cbr.ru/scripts/XML_daily.asp',
    natsUrl: undefined,
    production: false,
    logLevel: 'info',
  });
});

test('NATS is where NATS_URL says, with a user or a token; NODE_ENV=production is production, and nothing else', t => {
  for (const NATS_URL of [
    'nats://127.0.0.1:4222',
    'tls://nats',
    'nats://u:p%40ss@[::1]:4222/',
    'nats://token@nats',
  ])
    t.is(settings({ NATS_URL }).natsUrl, NATS_URL);
  t.true(settings({ NODE_ENV: 'production' }).production);
  t.false(settings({ NODE_ENV: 'test' }).production);
});

test('an edge lives off NATS and somebody else’s database; all other instances hear PostgreSQL, whose stream it is', t => {
  const edge = {
    ROLE: 'edge',
    FEED: 'nats',
    NATS_URL: 'nats://127.0.0.1',
    DATABASE_URL: 'postgresql://db/tasks',
  };
  t.is(settings({}).role, 'all');
  t.is(settings(edge).role, 'edge');
  for (const missing of ['ROLE', 'FEED', 'NATS_URL', 'DATABASE_URL'] as const)
    t.is(violations({ ...edge, [missing]: '' }).length, 1, missing);
  t.is(violations({ ROLE: 'edge' }).length, 2);
});

test('requests are limited where the operator says so, and without a word only where clients are known by more than an address', t => {
  t.is(settings({}).rateLimit, undefined);
  t.is(settings({ RATE_LIMIT: '600' }).rateLimit, 600);
  t.is(settings({ RATE_LIMIT: 'off' }).rateLimit, undefined);
  for (const RATE_LIMIT of ['0', '-1', '1.5', 'on', '1e3'])
    t.deepEqual(violations({ RATE_LIMIT }), ['  - RATE_LIMIT must be a whole number from 1, or off']);
  t.is(settings({}).socketLimit, undefined);
  t.is(settings({ SOCKET_LIMIT: '5' }).socketLimit, 5);
});

test('an empty value is as good as none', t => {
  const empty = {
    HOST: '',
    PORT: '',
    DATABASE_URL: '',
    TASK_SOURCES: '',
    LOG_LEVEL: '',
    AUTH: '',
    OTHER: undefined,
  };
  t.deepEqual(settings(empty), settings({}));
});

test('what is not ours is not looked at', t => {
  t.deepEqual(settings({ PATH: '/bin', PGHOST: 'x', port: 'x' }), settings({}));
});

test('every setting wrong: all are named in one message, each fault once, in words', t => {
  const wrong = {
    HOST: 'not a host',
    PORT: '65536',
    DATABASE_URL: 'mysql://x',
    DATABASE_DIRECT_URL: 'postgresql://[',
    DATABASE_PORT: '0',
    DATABASE_POOL_SIZE: '1',
    AUTH: 'maybe',
    ALLOWED_ORIGINS: 'https://example.org/path',
    GENERATOR_CRON: 'sometimes',
    GITHUB_TOKEN: 'two words',
    SERVICE_NAME: 'feed',
    NATS_URL: 'ftp://me:secret@nats',
    LOG_LEVEL: 'loud',
  };
  const sources = Array.from({ length: 20 }, (_, index) => `nowhere${index}`);
  const TASK_SOURCES = [...sources, 'github=ftp://x', 'sample', 'sample'].join(',');
  const found = violations({ ...wrong, TASK_SOURCES });
  const named = (name: string) => found.filter(violation => violation.startsWith(`  - ${name} `));
  for (const name of Object.keys(wrong)) t.is(named(name).length, 1, `${name}: ${named(name)}`);
  t.is(named('TASK_SOURCES').length, 22);
  t.is(found.length, 35);
  const all = found.join('\n');
  t.regex(all, /AUTH must be none or token$/m);
  t.regex(all, /LOG_LEVEL must be trace, debug, info, warn, error, fatal or silent$/m);
  t.regex(all, /"nowhere7"; there are sample, github/);
  t.regex(all, /gives github an address that is not http/);
  t.regex(all, /TASK_SOURCES names sample twice/);
  t.notRegex(all, /ftp|Invalid|expected/); // an address may hold a password
});

for (const [name, values] of Object.entries({
  PORT: ['-1', '1.5', 'http', '65536', 'NaN', 'Infinity'],
  DATABASE_PORT: ['0', '65536'],
  DATABASE_POOL_SIZE: ['1', '1001', 'many'],
  DATABASE_URL: ['localhost', 'http://x', 'postgresql://', 'postgres://['],
  GENERATOR_CRON: ['* * * *', '61 * * * *', 'Off', '* * * * * *'],
  RATES_CRON: ['* * * *', '61 * * * *', 'Off', '* * * * * *'],
  RATES_URL: ['cbr', 'ftp://cbr.ru/x', 'file:///etc/passwd', 'https://'],
  NATS_URL: [
    'localhost',
    'http://nats:4222',
    'nats://',
    'nats://a:b@',
    'nats://host/path',
    'nats://u:%E0%A4@host',
  ],
  LOG_LEVEL: ['INFO', 'verbose'],
  ROLE: ['core', 'EDGE'],
  FEED: ['NATS', 'kafka'],
  SERVICE_NAME: [
    'Shop',
    '1st',
    'my-shop',
    'a'.repeat(41),
    'pg_x',
    'public',
    'graphile',
    'shop_feed',
    'shop_worker',
  ],
  HOST: ['http://127.0.0.1', '127.0.0.1:80', '-x', 'a b'],
})) {
  test(`${name} cannot be ${values.join(' or ')}`, t => {
    for (const value of values) {
      const found = violations({ [name]: value, AUTH: 'none' });
      t.true(found.length === 1 && found[0]?.startsWith(`  - ${name} `), `${value}: ${found}`);
    }
  });
}

test('a schedule that can never be due is refused in words, a rare one is taken', t => {
  for (const name of ['GENERATOR_CRON', 'RATES_CRON']) {
    t.throws(() => settings({ [name]: '0 0 30 2 *' }), {
      message: new RegExp(
        `\n  - ${name} names no day of the calendar, so it would never run: write off for never$`,
      ),
    });
    t.notThrows(() => settings({ [name]: '0 0 29 2 *' }));
  }
});

test('PORT=0 asks for a free one, and GENERATOR_CRON=off and RATES_CRON=off for no runs', t => {
  t.like(settings({ PORT: '0', GENERATOR_CRON: 'off', RATES_CRON: 'off' }), {
    port: 0,
    generatorCron: undefined,
    ratesCron: undefined,
  });
});

test('only loopback is open without a word', t => {
  for (const HOST of ['127.0.0.1', '127.8.9.1', '::1', 'localhost'])
    t.is(settings({ HOST }).auth, 'none', HOST);
  for (const HOST of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    'example.org',
    '127.0.0.1.example.org',
    'localhost.example.org',
  ]) {
    t.is(settings({ HOST }).auth, 'token', HOST);
    t.is(settings({ HOST, AUTH: 'none' }).auth, 'none', HOST);
  }
  t.is(settings({ AUTH: 'token' }).auth, 'token');
});

test('DATABASE_DIRECT_URL is DATABASE_URL unless a pooler stands in between', t => {
  t.like(settings({ DATABASE_URL: DATABASE }), {
    databaseUrl: DATABASE,
    directUrl: DATABASE,
    throughPooler: false,
  });
  const direct = 'postgres://me@db:5433/tasks';
  t.like(settings({ DATABASE_URL: DATABASE, DATABASE_DIRECT_URL: direct }), {
    directUrl: direct,
    throughPooler: true,
  });
});

test('a database of one’s own gets no sample tasks unless asked for', t => {
  t.deepEqual(settings({ DATABASE_URL: DATABASE }).taskSources, []);
  t.deepEqual(settings({ DATABASE_URL: DATABASE, TASK_SOURCES: 'sample' }).taskSources, [
    { adapter: 'sample', url: undefined },
  ]);
});

test('a source may have an address, and the address an equals sign and a query', t => {
  const url = 'https://api.github.com/repos/nodejs/node/issues?state=open&per_page=5';
  t.deepEqual(settings({ TASK_SOURCES: ` sample , github=${url},` }).taskSources, [
    { adapter: 'sample', url: undefined },
    { adapter: 'github', url },
  ]);
});

test('a source that needs an address is not taken without one', t => {
  for (const TASK_SOURCES of ['github', 'sample,github=']) {
    t.deepEqual(violations({ TASK_SOURCES }), [
      '  - TASK_SOURCES gives github no address, which it needs: write github=https://…',
    ]);
  }
});

test('a token is taken without the white space around it, and shown in no fault', t => {
  t.deepEqual(settings({ GITHUB_TOKEN: 'ghp_hush\n' }).sourceTokens, { github: 'ghp_hush' });
  t.deepEqual(settings({}).sourceTokens, { github: undefined });
  for (const GITHUB_TOKEN of ['ghp hush', 'ghp\r\nhush', 'ghp_тише']) {
    t.deepEqual(violations({ GITHUB_TOKEN }), ['  - GITHUB_TOKEN must be one word of plain ASCII']);
  }
});

test('origins are a list', t => {
  t.deepEqual(settings({ ALLOWED_ORIGINS: 'https://a.example, http://b.example:8080,' }).allowedOrigins, [
    'https://a.example',
    'http://b.example:8080',
  ]);
});
