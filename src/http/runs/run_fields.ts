// What is read of a run of a background job.
import { z } from 'zod';
import { time } from '../../parsing/timestamp.ts';

const Rejection = z.object({ source: z.string(), external_id: z.string(), reason: z.string() }).partial();

/** A run as feed.render() writes it. */
export const Run = z
  .object({
    id: z.uuid(),
    kind: z.string(),
    status: z.enum(['queued', 'running', 'succeeded', 'failed']),
    attempt: z.int().meta({ description: 'Above 1 where an earlier process died.' }),
    fetched: z.int(),
    created: z.int(),
    updated: z.int(),
    unchanged: z.int(),
    rejected: z.int(),
    rejections: z.array(Rejection).meta({ description: 'The first hundred items that broke a rule.' }),
    error: z.string().nullable().meta({ description: 'Why it failed.' }),
    queued_at: time,
    started_at: time.nullable(),
    finished_at: time.nullable(),
  })
  .meta({
    id: 'Run',
    description: 'A run of a background job.',
    example: {
      id: '0198c0de-5c1f-7a30-8f1e-3b5c6d7e8f90',
      kind: 'task_generator',
      status: 'succeeded',
      attempt: 1,
      fetched: 20,
      created: 3,
      updated: 1,
      unchanged: 16,
      rejected: 0,
      rejections: [],
      error: null,
      queued_at: '2026-11-23T05:45:00.012345Z',
      started_at: '2026-11-23T05:45:00.112345Z',
      finished_at: '2026-11-23T05:45:01.512345Z',
    },
  });

/** What is told of a background job. */
export const Job = z
  .object({
    sources: z.array(z.object({ name: z.string(), url: z.string().nullable() })),
    schedule: z.string().nullable().meta({ description: 'Five cron fields, in UTC; null for never.' }),
    next_run_at: time.nullable(),
    last_run: Run.nullable(),
  })
  .meta({ id: 'Job', description: 'Where a background job reads from, and when.' });
