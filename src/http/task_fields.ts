// What a client may write of a task. The database has the same rules, and the last word.
import { TASK_PRIORITIES, TASK_STATUSES } from '../events.ts';
import { moment } from '../moment.ts';
import { distinctTexts, object, oneOf, readOnly, text, trimmedText } from './fields.ts';

const title = trimmedText({ from: 1, to: 200 });
const description = text({ to: 10_000 }).nullable();
const status = oneOf(TASK_STATUSES);
const priority = oneOf(TASK_PRIORITIES);
const dueAt = moment.nullable();
const labels = distinctTexts({ most: 20, of: text({ from: 1, to: 50 }) });

const madeByTheService = {
  id: readOnly,
  version: readOnly,
  created_at: readOnly,
  updated_at: readOnly,
  completed_at: readOnly,
  source: readOnly,
  external_id: readOnly,
};

/** The body of POST: a whole task, defaults filled in. */
export const NewTask = object({
  title,
  description: description.default(null),
  status: status.default('todo'),
  priority: priority.default('normal'),
  due_at: dueAt.default(null),
  labels: labels.default([]),
  ...madeByTheService,
});

/** The body of PATCH, a merge patch (RFC 7396): what is missing stays, null clears. */
export const TaskPatch = object({
  title: title.optional(),
  description: description.optional(),
  status: status.optional(),
  priority: priority.optional(),
  due_at: dueAt.optional(),
  labels: labels.optional(),
  ...madeByTheService,
});
