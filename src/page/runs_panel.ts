// The background jobs: when they run next, how a run goes while it goes, and why one failed.
import { html, nothing } from 'lit-html';
import type { App } from './app.ts';
import { resultOf } from './event_words.ts';
import { lacking, wordsFor } from './fault_words.ts';
import { PLAY, WARN } from './icons.ts';
import { painter } from './paint.ts';
import { panelHead } from './panel_head.ts';
import type { Run } from './rows.ts';
import type { Page } from './service.ts';

interface Job {
  kind: string;
  path: string;
  request: string;
  next: string | null;
  runs: readonly Run[];
  error: string | undefined;
}

const LOOK_EVERY = 500; // ms: how far a run has come is no event
const KEPT = 5;

export function createRunsPanel(root: HTMLElement, app: App): void {
  const { speech, live, service, moment, notices, access } = app;
  const { words } = speech;
  const mayRun = access.allows('generator:run');
  const jobs: Job[] = [
    {
      kind: 'currency_rates',
      path: '/currencies/refresh',
      request: '/currencies/refresh',
      next: null,
      runs: [],
      error: undefined,
    },
    {
      kind: 'task_generator',
      path: '/task-generator',
      request: '/task-generator/run',
      next: null,
      runs: [],
      error: undefined,
    },
  ];

  async function load(job: Job): Promise<void> {
    if (!mayRun) {
      job.error = lacking('generator:run', speech);
      return paint();
    }
    try {
      const [overview, page] = await Promise.all([
        service.get<{ next_run_at: string | null }>(job.path),
        service.get<Page<Run>>(`${job.path}/runs?limit=${KEPT}`),
      ]);
      Object.assign(job, { next: overview.next_run_at, runs: page.data, error: undefined });
    } catch (error) {
      job.error = wordsFor(error, speech);
    }
    paint();
    if (isGoing(job.runs[0])) watchRun(job);
  }

  function put(job: Job, run: Run): void {
    const others = job.runs.filter(({ id }) => id !== run.id);
    job.runs = [run, ...others].sort((a, b) => (a.queued_at < b.queued_at ? 1 : -1)).slice(0, KEPT);
    paint();
  }

  const watching = new Set<string>();
  function watchRun(job: Job): void {
    const id = job.runs[0]?.id;
    if (id === undefined || watching.has(id)) return;
    watching.add(id);
    const look = async () => {
      const run = await service.get<Run>(`${job.path}/runs/${id}`).catch(() => undefined);
      if (run) put(job, run);
      if (run && isGoing(run)) setTimeout(look, LOOK_EVERY);
      else watching.delete(id);
    };
    setTimeout(look, LOOK_EVERY);
  }

  async function start(job: Job): Promise<void> {
    try {
      put(job, await service.post<Run>(job.request));
      watchRun(job);
    } catch (error) {
      notices.say(words.failedWith.replace('{why}', wordsFor(error, speech)), { isFault: true });
    }
  }

  const timeOf = (run: Run) => speech.moment(run.finished_at ?? run.started_at ?? run.queued_at);

  function stateView(run: Run | undefined) {
    if (!run) return html`<span class="muted">${words.neverRan}</span>`;
    if (run.status === 'queued') return html`<span>${words.queued}</span>`;
    const attempt = run.attempt > 1 ? `, ${words.attempt.replace('{n}', String(run.attempt))}` : '';
    if (run.status === 'running')
      return html`<span>${words.running}${attempt}: ${resultOf(run, speech)}</span>`;
    if (run.status === 'failed')
      return html`<span class="fault">${WARN} ${words.failed}, ${timeOf(run)}: ${run.error}</span>`;
    return html`<span>${words.succeeded}, ${timeOf(run)}: ${resultOf(run, speech)}</span>`;
  }

  function jobView(job: Job) {
    const [last, ...earlier] = job.runs;
    const name = words.kinds[job.kind] ?? job.kind;
    const going = isGoing(last);
    return html`<article class="job" aria-label=${name}>
      <div class="job-head"><h3>${name}</h3>
        <span class="muted">${job.next === null ? words.neverBySchedule : words.nextRun.replace('{time}', speech.moment(job.next))}</span>
        <button class="quiet" ?disabled=${going || moment.value !== undefined || !mayRun} title=${mayRun ? '' : lacking('generator:run', speech)} aria-describedby=${`job-${job.kind}`} @click=${() => start(job)}>${PLAY} ${words.runNow}</button>
      </div>
      <div id=${`job-${job.kind}`} class="job-state" role="status">
        ${going ? html`<progress aria-label=${words.running}></progress>` : nothing}
        ${job.error === undefined ? stateView(last) : html`<span class="fault">${job.error}</span>`}
      </div>
      ${
        earlier.length === 0
          ? nothing
          : html`<details><summary>${words.earlierRuns}</summary><ul>${earlier.map(
              run => html`<li>${stateView(run)}</li>`,
            )}</ul></details>`
      }
    </article>`;
  }

  const paint = painter(
    root,
    () => html`
      ${panelHead(app, { id: 'runs', title: words.runs, aside: moment.value === undefined ? nothing : words.runsHaveNoPast })}
      <div class="jobs">${jobs.map(jobView)}</div>`,
  );

  live.hear(event => {
    const run = event.data.run as Run | undefined;
    const job = jobs.find(({ kind }) => kind === run?.kind);
    if (!run || !job) return;
    put(job, run);
    if (isGoing(run)) watchRun(job);
  });
  let wasLive = false;
  live.link.watch(({ phase }) => {
    if (phase === 'live' && !wasLive) for (const job of jobs) void load(job);
    wasLive = phase === 'live';
  });
  moment.watch(() => paint());
}

function isGoing(run: Run | undefined): boolean {
  return run?.status === 'queued' || run?.status === 'running';
}
