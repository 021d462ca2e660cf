// EventSource as the world has it, in a real Chromium and in Node itself: what it hears, and whether it still lives.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';

/** What a client tells: of an event its type and data, of an error only whether it is its end (2 is CLOSED). */
export interface Heard {
  source: string;
  type: string;
  data?: string;
  state: number;
}

export interface SourceClient {
  /** Opens an EventSource under a name; the path is the instance's. */
  open(name: string, path: string): Promise<void>;
  /** Runs a script in the page, or in Node; what it writes to the console as JSON is heard. */
  run(script: string): Promise<void>;
  /** All that was heard so far. */
  readonly heard: readonly Heard[];
  close(): Promise<void>;
}

// Runs in the page, and in Node. What is heard goes to the console, which both can be read from.
const script = (name: string, url: string) => `{
  const source = new EventSource(${JSON.stringify(url)});
  const tell = ({ type, data }) =>
    console.log(JSON.stringify({ source: ${JSON.stringify(name)}, type, data, state: source.readyState }));
  for (const type of ['ready', 'position', 'reset', 'message', 'error']) source.addEventListener(type, tell);
}`;

/** Chromium on a page of this origin, which it keeps while the instance comes and goes. */
export async function startChromium(program: string, address: string): Promise<SourceClient> {
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-browser-'));
  const child = spawn(
    program,
    [
      '--headless',
      '--no-sandbox', // root has none
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', // the browser's own curiosity
      `--user-data-dir=${join(folder, 'profile')}`,
      '--remote-debugging-port=0',
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const end = endOf(child);
  const devTools = new URL(await said(child, /DevTools listening on (ws:\S+)/));
  const [page] = (await (await fetch(`http://${devTools.host}/json/list`)).json()) as {
    webSocketDebuggerUrl: string;
  }[];
  const protocol = await connectTo(page?.webSocketDebuggerUrl ?? '');
  const heard: Heard[] = [];
  protocol.on('Runtime.consoleAPICalled', ({ args }) => heard.push(JSON.parse(args[0].value)));
  await protocol.call('Runtime.enable');
  await protocol.call('Page.enable');
  const loaded = protocol.once('Page.loadEventFired');
  await protocol.call('Page.navigate', { url: `${address}/problems/gone` });
  await loaded;
  return {
    heard,
    open: async (name, path) => {
      await protocol.call('Runtime.evaluate', { expression: script(name, path) });
    },
    run: async expression => {
      await protocol.call('Runtime.evaluate', { expression });
    },
    close: async () => {
      protocol.close();
      await end();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Node's own EventSource. */
export async function startNode(address: string): Promise<SourceClient> {
  const source = `
    require('node:readline').createInterface({ input: process.stdin }).on('line', line => (0, eval)(line));
  `;
  const child = spawn(process.execPath, ['--no-warnings', '--experimental-eventsource', '-e', source], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const heard: Heard[] = [];
  createInterface({ input: child.stdout }).on('line', line => heard.push(JSON.parse(line)));
  return {
    heard,
    open: async (name, path) => {
      child.stdin.write(`${script(name, `${address}${path}`).replaceAll('\n', ' ')}\n`);
    },
    run: async text => {
      child.stdin.write(`${text.replaceAll('\n', ' ')}\n`);
    },
    close: endOf(child),
  };
}

function endOf(child: ChildProcess): () => Promise<void> {
  const cutShort = () => child.kill('SIGKILL');
  process.once('exit', cutShort);
  const exited = once(child, 'exit').then(() => process.off('exit', cutShort));
  return async () => {
    child.kill('SIGKILL');
    await exited;
  };
}

async function said(child: ChildProcess, pattern: RegExp): Promise<string> {
  if (!child.stderr) throw new Error('nothing is read of what the program says');
  for await (const line of createInterface({ input: child.stderr })) {
    const found = pattern.exec(line)?.[1];
    if (found === undefined) continue;
    child.stderr.resume();
    return found;
  }
  throw new Error('the program ended before it said what was expected');
}

// As much of the Chrome DevTools Protocol as is needed here.
async function connectTo(url: string) {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  // biome-ignore lint/suspicious/noExplicitAny: each method and event has parameters of its own
  const listeners = new Map<string, (params: any) => void>();
  const answers = new Map<number, PromiseWithResolvers<unknown>>();
  let last = 0;
  socket.on('message', data => {
    const { id, method, params, result, error } = JSON.parse(String(data));
    if (method !== undefined) return listeners.get(method)?.(params);
    const answer = answers.get(id);
    answers.delete(id);
    if (error) answer?.reject(new Error(error.message));
    else answer?.resolve(result);
  });
  return {
    on: listeners.set.bind(listeners),
    once: (method: string) => new Promise(resolve => listeners.set(method, resolve)),
    call(method: string, params: object = {}): Promise<unknown> {
      const answer = Promise.withResolvers<unknown>();
      answers.set(++last, answer);
      socket.send(JSON.stringify({ id: last, method, params }));
      return answer.promise;
    },
    close: () => socket.terminate(),
  };
}
