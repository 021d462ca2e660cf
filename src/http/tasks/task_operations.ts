// REST for tasks: what they have of what resources may have.

import type { DatabasePool } from '../../postgres/pool.ts';
import { restoreTask, tasks } from '../../queries/tasks.ts';
import type { Operation } from '../../web/operation.ts';
import type { Lanes } from '../resources/resource.ts';
import { createResourceOperations } from '../resources/resource_operations.ts';
import { NewTask, Task, TaskPatch, taskFilters } from './task_fields.ts';

/** /tasks, with everything below it. */
export function createTaskOperations(at: { pool: DatabasePool; lanes?: Lanes }): Operation[] {
  return createResourceOperations(
    {
      resource: tasks,
      scopes: { read: 'tasks:read', write: 'tasks:write' },
      Entity: Task,
      New: NewTask,
      Patch: TaskPatch,
      filters: taskFilters,
      hasBatch: true,
      hasHistory: true,
      hasPast: true,
      restore: restoreTask,
    },
    at,
  );
}
