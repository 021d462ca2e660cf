// A small set of tasks that ships with the service, so that a machine without internet sees something at its first
// start.
import { type SourceAdapter, type SourceFields, toItem } from './source.ts';

const TASKS: Record<string, SourceFields> = {
  'release-notes': {
    title: 'Write the release notes for 2.4',
    description: 'One paragraph per change that a user can notice. Link the migration guide.',
    status: 'in_progress',
    priority: 'high',
    due_at: '2027-01-15T12:00:00Z',
    labels: ['docs', 'release'],
  },
  'flaky-login': {
    title: 'Find out why the login test fails on Mondays',
    description: 'It passes on every other day. Look at the week number first.',
    priority: 'normal',
    labels: ['bug', 'tests'],
  },
  'tls-certificate': {
    title: 'Renew the TLS certificate of the mail server',
    priority: 'urgent',
    due_at: '2026-12-20T09:00:00Z',
    labels: ['operations'],
  },
  'quarterly-report': {
    title: 'Подготовить квартальный отчёт',
    description: 'Свести продажи по регионам и согласовать с бухгалтерией до совещания.',
    status: 'todo',
    priority: 'high',
    due_at: '2027-01-12T07:00:00Z',
    labels: ['отчёт', 'финансы'],
  },
  'backup-drill': {
    title: 'Restore last night’s backup on the spare machine',
    description: 'A backup that nobody has restored is a hope.',
    status: 'done',
    labels: ['operations'],
  },
  'new-colleague': {
    title: 'Встретить новую коллегу и показать ей проект',
    description: 'Доступы, стенд, первые задачи. Начать с README.',
    labels: ['команда'],
  },
  'page-contrast': {
    title: 'Raise the contrast of the dark theme',
    priority: 'low',
    labels: ['design', 'accessibility'],
  },
  dependencies: {
    title: 'Look through the dependency updates',
    description: 'Patch releases together, each major one on its own.',
    status: 'todo',
    priority: 'low',
    due_at: '2027-02-01T09:00:00Z',
    labels: ['maintenance'],
  },
};

export const sample: SourceAdapter = {
  name: 'sample',
  defaultUrl: undefined,

  async *read() {
    for (const [id, fields] of Object.entries(TASKS)) yield toItem(id, fields);
  },
};
