// What the service tells of, as its documents have it.

export type Status = 'todo' | 'in_progress' | 'done';
export type Priority = 'low' | 'normal' | 'high' | 'urgent';

export const STATUSES: readonly Status[] = ['todo', 'in_progress', 'done'];
export const PRIORITIES: readonly Priority[] = ['low', 'normal', 'high', 'urgent'];

export interface Task {
  id: string;
  title: string;
  description: string | null;
  status: Status;
  priority: Priority;
  due_at: string | null;
  labels: string[];
  source: string | null;
  created_at: string;
  updated_at: string;
  version: number;
}

/** What a person may give a task. */
export type TaskFields = Pick<Task, 'title' | 'description' | 'status' | 'priority' | 'due_at' | 'labels'>;

export interface Currency {
  id: string;
  currency: string;
  name: string;
  nominal: number;
  rate: string;
  rate_date: string;
  source: string | null;
  timestamp: string;
  version: number;
}

export interface Run {
  id: string;
  kind: string;
  status: 'queued' | 'running' | 'succeeded' | 'failed';
  attempt: number;
  fetched: number;
  created: number;
  updated: number;
  unchanged: number;
  rejected: number;
  error: string | null;
  queued_at: string;
  started_at: string | null;
  finished_at: string | null;
}

/** An event, whatever it is of. */
export interface Told {
  position: number;
  type: string;
  source: string;
  subject: string;
  time: string;
  origin: string;
  actor?: { id: string; name: string } | null;
  requestid: string | null;
  data: Readonly<Record<string, unknown>> & { previous?: Readonly<Record<string, unknown>> };
}
