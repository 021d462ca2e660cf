// What a client may write of a task, and what it reads. The database has the same rules, and the last word.
import { z } from 'zod';
import { TASK_PRIORITIES, TASK_STATUSES } from '../../events.ts';
import { time, timestamp } from '../../parsing/timestamp.ts';
import { repeated } from '../../web/query.ts';
import { distinctTexts, object, oneOf, readOnly, text, trimmedText } from '../input/fields.ts';

const title = trimmedText({ from: 1, to: 200 });
const description = text({ to: 10_000 }).nullable();
const status = oneOf(TASK_STATUSES);
const priority = oneOf(TASK_PRIORITIES);
const dueAt = timestamp.nullable();
const label = text({ from: 1, to: 50 });
const labels = distinctTexts({ most: 20, of: label });

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
}).meta({ id: 'NewTask', description: 'A task to be made; only `title` is required.' });

/** The body of PATCH, a merge patch (RFC 7396): what is missing stays, null clears. */
export const TaskPatch = object({
  title: title.optional(),
  description: description.optional(),
  status: status.optional(),
  priority: priority.optional(),
  due_at: dueAt.optional(),
  labels: labels.optional(),
  ...madeByTheService,
}).meta({ id: 'TaskPatch', description: 'What is to change of a task; what is missing stays.' });

/** The filters of the list. */
export const taskFilters = {
  status: repeated(status).optional(),
  priority: repeated(priority).optional(),
  label: repeated(label).optional().meta({ description: 'Tasks that have this label.' }),
  source: repeated(text({ from: 1, to: 100 })).optional(),
  due_before: repeated(timestamp).optional().meta({ description: 'Tasks that are due before this moment.' }),
  due_after: repeated(timestamp).optional().meta({ description: 'Tasks that are due after this moment.' }),
  q: repeated(trimmedText({ from: 1, to: 500 }))
    .length(1, { error: 'may stand only once' })
    .optional()
    .meta({
      description:
        'Words of the title or the description, in any of their English or Russian forms. All must be there; ' +
        '`or` between two means either, `-` before one that it must not be there, "quotes" that words follow each other.',
    }),
};

/** A task as feed.render() writes it. */
export const Task = z
  .object({
    id: z.uuid(),
    title: z.string(),
    description: z.string().nullable(),
    status: z.enum(TASK_STATUSES),
    priority: z.enum(TASK_PRIORITIES),
    due_at: time.nullable(),
    labels: z.array(z.string()),
    source: z.string().nullable().meta({ description: 'Where the generator read it.' }),
    external_id: z.string().nullable().meta({ description: 'What it is called there.' }),
    created_at: time,
    updated_at: time,
    completed_at: time.nullable().meta({ description: 'Since when its status is done.' }),
    version: z.int().meta({ description: 'One more with every change.' }),
  })
  .meta({
    id: 'Task',
    description: 'Something to do.',
    example: {
      id: '0198c0de-5c1f-7a30-8f1e-3b5c6d7e8f90',
      title: 'Water the plants',
      description: null,
      status: 'todo',
      priority: 'normal',
      due_at: '2026-12-01T09:00:00.000000Z',
      labels: ['home'],
      source: null,
      external_id: null,
      created_at: '2026-11-23T05:38:12.345678Z',
      updated_at: '2026-11-23T05:38:12.345678Z',
      completed_at: null,
      version: 1,
    },
  });
