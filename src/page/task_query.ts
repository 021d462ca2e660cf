// Which tasks are shown, and in which order.
import { PRIORITIES, type Status, type Task } from './rows.ts';

export interface TaskQuery {
  text: string;
  /** Undefined for all. */
  status: Status | undefined;
  order: Order;
}

export type Order = '-created_at' | '-updated_at' | 'due_at' | '-priority' | 'title';
export const ORDERS: readonly Order[] = ['-created_at', '-updated_at', 'due_at', '-priority', 'title'];

const byId = (a: Task, b: Task) => (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

const COMPARE: Readonly<Record<Order, (a: Task, b: Task) => number>> = {
  '-created_at': (a, b) => byText(b.created_at, a.created_at) || byId(a, b),
  '-updated_at': (a, b) => byText(b.updated_at, a.updated_at) || byId(a, b),
  // What is due at no time stands last.
  due_at: (a, b) => byText(a.due_at ?? '~', b.due_at ?? '~') || byId(a, b),
  '-priority': (a, b) => PRIORITIES.indexOf(b.priority) - PRIORITIES.indexOf(a.priority) || byId(a, b),
  title: (a, b) => a.title.localeCompare(b.title) || byId(a, b),
};

/** The tasks that match, sorted; a new array. */
export function select(tasks: readonly Task[], { text, status, order }: TaskQuery): Task[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (task: Task) => {
    if (status !== undefined && task.status !== status) return false;
    if (words.length === 0) return true;
    const all = `${task.title}\n${task.description ?? ''}\n${task.labels.join('\n')}`.toLowerCase();
    return words.every(word => all.includes(word));
  };
  return tasks.filter(matches).sort(COMPARE[order]);
}
