// What an operator reads: lines that tell when, how bad, of which instance and version; on a terminal one line each.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { createLogger } from '../src/logger.ts';

const LOGGER = fileURLToPath(new URL('../src/logger.ts', import.meta.url));
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

test('a JSON line says when, how bad in a word, and of which instance and version it is', t => {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const logger = createLogger({ level: 'info', pretty: false, destination });
  logger.child({ run: 7 }).warn({ status: 503 }, 'request');
  t.like(lines[0], {
    level: 'warn',
    instance: `${hostname()}:${process.pid}`,
    version,
    run: 7,
    status: 503,
    msg: 'request',
  });
  t.regex(String(lines[0]?.time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
});

test('a request is one line on a terminal', async t => {
  const script = `
    import { createLogger } from ${JSON.stringify(LOGGER)};
    const line = { request_id: 'r', method: 'GET', path: '/tasks', status: 200, ms: 1.5 };
    createLogger({ level: 'info', pretty: true }).info(line, 'request');`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  const lines = stdout.trimEnd().split('\n');
  t.is(lines.length, 1, stdout);
  t.regex(lines[0] ?? '', /request.*GET.*\/tasks.*200/);
});
