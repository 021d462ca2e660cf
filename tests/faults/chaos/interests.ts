// What the suite's listeners listen to; another path or filter is another one of these.
import type { LogEvent } from './history.ts';
import type { Interest } from './listener.ts';
import { FOLLOWED } from './psql_writer.ts';
import { overPages, overSocket, overStream } from './transports.ts';

const isTask = (event: LogEvent) => event.topic === 'tasks';
const TASKS = { over: overSocket, path: '/ws/tasks', wants: isTask };
const EVERYTHING = { path: '/events', query: {}, wants: () => true };

/** Each path, each way to be told, and filters that leave something out. */
export const INTERESTS: readonly Interest[] = [
  { ...TASKS, name: 'tasks', query: {} },
  { ...TASKS, name: 'tasks from their snapshot on', query: { snapshot: 'true' } },
  {
    ...TASKS,
    name: 'what is to be done',
    query: { status: 'todo' },
    // Also what was and is not any more.
    wants: event => isTask(event) && [event.data, event.previous].some(hasStatus('todo')),
  },
  { ...TASKS, name: 'one task', query: { subject: FOLLOWED }, wants: event => event.subject === FOLLOWED },
  { ...EVERYTHING, name: 'everything', over: overSocket, path: '/ws/events' },
  { ...EVERYTHING, name: 'the stream', over: overStream, path: '/events/stream' },
  { ...EVERYTHING, name: 'pages', over: overPages },
];

function hasStatus(status: string) {
  return (json: string | null) => json !== null && JSON.parse(json).status === status;
}
