// docs/operations/grafana.json: a dashboard that is made of the list of metrics, so that a new one is on it by itself. Each
// kind of metric has its kind of panel, and what is not shown as it is has a panel of its own below.
import type { Described } from './metrics.ts';

/** What a panel asks, and how a line of it is called. */
interface Query {
  expr: string;
  legendFormat: string;
}

interface Panel {
  title: string;
  description: string;
  unit: string;
  queries: Query[];
}

const OF = '{job=~"$job",instance=~"$instance"}';
const SOURCE = { type: 'prometheus', uid: '$' + '{datasource}' };
const INSTANCE = '{{instance}}';
const [WIDTH, HEIGHT, COLUMNS] = [8, 7, 3];

// The rows of the dashboard, and whose names stand in which; what none names stands in the last.
const ROWS: readonly [title: string, names: RegExp][] = [
  ['Numbering and delivery', /^taskwire_(sequencer|relay|event|events|log)_/],
  ['Clients', /^taskwire_(http|sockets|limited)_/],
  ['NATS', /^taskwire_nats_/],
  ['Database, jobs and versions', /^taskwire_/],
];

const single = (title: string, description: string, unit: string, expr: string): Panel => ({
  title,
  description,
  unit,
  queries: [{ expr, legendFormat: INSTANCE }],
});

// What only two metrics together say, and some of those that every Node process has.
const BEHIND = single(
  'Events behind the log',
  'How far each instance is behind the last position',
  'short',
  `taskwire_log_head${OF} - taskwire_relay_position${OF}`,
);
const PROCESS = [
  single('CPU', 'Cores in use', 'percentunit', `rate(process_cpu_seconds_total${OF}[$__rate_interval])`),
  single('Memory', 'Resident memory', 'bytes', `process_resident_memory_bytes${OF}`),
  single('Event loop', 'Lag, the 99th percentile', 's', `nodejs_eventloop_lag_p99_seconds${OF}`),
];

/** The dashboard, as Grafana imports it, with a panel for each of the service's own metrics. */
export function renderDashboard(metrics: readonly Described[]): string {
  const own = metrics.filter(({ name }) => name.startsWith('taskwire_'));
  const rowOf = (name: string) => ROWS.find(([, names]) => names.test(name))?.[0];
  const rows = ROWS.map(([title], index) => ({
    title,
    panels: [
      ...(index === 0 ? [BEHIND] : []),
      ...own.filter(({ name }) => rowOf(name) === title).flatMap(metric => panelsOf(metric)),
    ],
  }));
  return `${JSON.stringify(
    {
      title: 'Taskwire',
      uid: 'taskwire',
      tags: ['taskwire'],
      schemaVersion: 39,
      refresh: '30s',
      time: { from: 'now-6h', to: 'now' },
      templating: { list: variables() },
      panels: layOut([...rows, { title: 'Process', panels: PROCESS }]),
    },
    null,
    2,
  )}\n`;
}

function variables() {
  const ofLabel = (name: string, query: string) => ({
    name,
    type: 'query',
    datasource: SOURCE,
    query,
    refresh: 2,
    includeAll: true,
    multi: true,
    current: { text: 'All', value: '$__all' },
  });
  return [
    { name: 'datasource', type: 'datasource', query: 'prometheus' },
    ofLabel('job', 'label_values(taskwire_build_info, job)'),
    ofLabel('instance', 'label_values(taskwire_build_info{job=~"$job"}, instance)'),
  ];
}

function panelsOf(metric: Described): Panel[] {
  const { name, help, type, labels } = metric;
  const panel = { title: titleOf(name), description: help, unit: unitOf(name) };
  const legendFormat = [INSTANCE, ...labels.map(label => `{{${label}}}`)].join(' ');
  const by = ['instance', ...labels].join(', ');
  if (type === 'gauge') return [{ ...panel, queries: [{ expr: name + OF, legendFormat }] }];
  if (type === 'counter')
    return [
      {
        ...panel,
        title: `${panel.title} a second`,
        queries: [{ expr: `sum by (${by}) (${rateOf(name)})`, legendFormat }],
      },
    ];
  const frequency = {
    ...panel,
    title: `${panel.title}: how often a second`,
    unit: 'short',
    queries: [{ expr: `sum by (${by}) (${rateOf(`${name}_count`)})`, legendFormat }],
  };
  return [{ ...panel, queries: ['0.5', '0.99'].map(share => quantileOf(name, share)) }, frequency];
}

const rateOf = (name: string) => `rate(${name}${OF}[$__rate_interval])`;

const quantileOf = (name: string, share: string): Query => ({
  expr: `histogram_quantile(${share}, sum by (instance, le) (${rateOf(`${name}_bucket`)}))`,
  legendFormat: `${INSTANCE} ${Number(share) * 100} %`,
});

// taskwire_sequencer_look_seconds: Sequencer look
function titleOf(name: string): string {
  const words = name
    .replace(/^taskwire_/, '')
    .replace(/_(seconds|total|connections)$/, '')
    .replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function unitOf(name: string): string {
  if (name.endsWith('_seconds')) return 's';
  return name.endsWith('_bytes') ? 'bytes' : 'short';
}

// Rows of three panels, from the top.
function layOut(rows: readonly { title: string; panels: readonly Panel[] }[]) {
  let [id, y] = [0, 0];
  return rows.flatMap(({ title, panels }) => {
    const head = {
      id: ++id,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y: y++, w: 24, h: 1 },
      panels: [],
    };
    const placed = panels.map((panel, index) => {
      const [column, line] = [index % COLUMNS, Math.floor(index / COLUMNS)];
      return show(panel, { id: ++id, x: column * WIDTH, y: y + line * HEIGHT });
    });
    y += Math.ceil(panels.length / COLUMNS) * HEIGHT;
    return [head, ...placed];
  });
}

function show(
  { title, description, unit, queries }: Panel,
  { id, x, y }: { id: number; x: number; y: number },
) {
  return {
    id,
    type: 'timeseries',
    title,
    description,
    datasource: SOURCE,
    gridPos: { x, y, w: WIDTH, h: HEIGHT },
    fieldConfig: { defaults: { unit }, overrides: [] },
    targets: queries.map((query, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: SOURCE,
      ...query,
    })),
  };
}
