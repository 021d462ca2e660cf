// docs/operations: the alerts and the dashboard are those that the code makes, ask for what there is, and do what they say.
import { readFile, writeFile } from 'node:fs/promises';
import test from 'ava';
import { ALERTS, annotationsOf, renderAlerts } from '../../src/metrics/alerts.ts';
import { renderDashboard } from '../../src/metrics/dashboard.ts';
import { createMetrics, type Described } from '../../src/metrics/metrics.ts';
import { promtool, withPromtool } from '../helpers/promtool.ts';
import { CASES } from './alert_cases.ts';

const FOLDER = new URL('../../docs/operations/', import.meta.url);
const METRICS = createMetrics({ hasNats: true }).list();
const DASHBOARD = renderDashboard(METRICS);
// What Prometheus itself says of each scrape, and the labels that it adds.
const UP: Described = { name: 'up', help: '', type: 'gauge', labels: [] };
const OF_A_SCRAPE = ['job', 'instance'];

for (const [name, text] of [
  ['alerts.yml', renderAlerts(ALERTS)],
  ['grafana.json', DASHBOARD],
] as const)
  test(`docs/operations/${name} is the one that the code makes (UPDATE_OPERATIONS=1 writes it)`, async t => {
    const file = new URL(name, FOLDER);
    if (process.env.UPDATE_OPERATIONS === '1') await writeFile(file, text);
    t.is(await readFile(file, 'utf8'), text);
  });

interface Question {
  of: string;
  expr: string;
}

interface Shown {
  title: string;
  targets?: { expr: string }[];
}

const questions: Question[] = [
  ...ALERTS.map(({ name, expr }) => ({ of: name, expr })),
  ...(JSON.parse(DASHBOARD) as { panels: Shown[] }).panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ of: title, expr })),
  ),
];

/** The metrics that a question names, each with the labels it picks by. */
function namedIn(expr: string): { name: string; labels: string[] }[] {
  return [...expr.matchAll(/\b((?:taskwire|process|nodejs)_\w+|up)\b(?:\{([^}]*)\})?/g)].map(
    ([, name = '', braces = '']) => ({
      name,
      labels: [...braces.matchAll(/(\w+)\s*[=!]~?/g)].map(([, label]) => label ?? ''),
    }),
  );
}

function find(name: string): Described | undefined {
  const metric = [UP, ...METRICS].find(each => each.name === name);
  if (metric !== undefined) return metric.type === 'histogram' ? undefined : metric;
  const base = name.replace(/_(bucket|count|sum)$/, '');
  const histogram = METRICS.find(each => each.name === base && each.type === 'histogram');
  return histogram && { ...histogram, labels: [...histogram.labels, 'le'] };
}

test('every query of an alert or a panel names metrics that exist, by labels that they have', t => {
  t.true(questions.length > 50);
  const wrong = questions.flatMap(({ of, expr }) => {
    const named = namedIn(expr);
    if (named.length === 0) return [`${of} names no metric: ${expr}`];
    return named.flatMap(({ name, labels }) => {
      const metric = find(name);
      if (metric === undefined) return [`${of}: there is no ${name}`];
      const unknown = labels.filter(label => ![...OF_A_SCRAPE, ...metric.labels].includes(label));
      return unknown.map(label => `${of}: ${name} has no label ${label}`);
    });
  });
  t.deepEqual(wrong, []);
});

test('every metric of the service is on the dashboard, and in the docs', async t => {
  const monitoring = await readFile(new URL('../monitoring.md', FOLDER), 'utf8');
  const own = METRICS.map(({ name }) => name).filter(name => name.startsWith('taskwire_'));
  t.true(own.length > 20);
  t.deepEqual(
    own.filter(name => !DASHBOARD.includes(name)),
    [],
  );
  // Of two that stand together the second is told by its ending.
  const isTold = (name: string) =>
    monitoring.includes(`\`${name}`) ||
    monitoring.includes(`\`…${name.slice(name.lastIndexOf('_', name.lastIndexOf('_') - 1))}\``);
  t.deepEqual(
    own.filter(name => !isTold(name)),
    [],
  );
});

test('every alert stands in the section of the runbook that it leads to', async t => {
  const runbook = await readFile(new URL('runbook.md', FOLDER), 'utf8');
  const sections = new Map(
    runbook
      .split(/^## /m)
      .map(text => [(text.split('\n')[0] ?? '').toLowerCase().replaceAll(' ', '-'), text]),
  );
  t.deepEqual(
    ALERTS.filter(({ name, section }) => !sections.get(section)?.includes(`\`${name}\``)).map(
      ({ name }) => name,
    ),
    [],
  );
});

withPromtool('Prometheus takes the alerts, and every query of the dashboard', async t => {
  const alerts = await promtool(['check', 'rules', 'alerts.yml'], { 'alerts.yml': renderAlerts(ALERTS) });
  t.true(alerts.isContent, alerts.output);
  t.true(alerts.output.includes(`${ALERTS.length} rules found`), alerts.output);
  const rules = questions.map(({ expr }, index) => ({
    record: `panel:${index}`,
    expr: expr.replaceAll('$__rate_interval', '1m'),
  }));
  const panels = await promtool(['check', 'rules', 'panels.yml'], {
    'panels.yml': JSON.stringify({ groups: [{ name: 'panels', rules }] }),
  });
  t.true(panels.isContent, panels.output);
});

test('every alert has a case in which it fires, and one in which it does not', t => {
  t.deepEqual(Object.keys(CASES).sort(), ALERTS.map(({ name }) => name).sort());
  for (const [name, { firing, quiet }] of Object.entries(CASES)) {
    t.truthy(firing.fires?.length, name);
    t.is(quiet.fires, undefined, name);
  }
});

for (const alert of ALERTS)
  withPromtool(`${alert.name} fires when it should, and not when something only looks like it`, async t => {
    const cases = Object.values(CASES[alert.name] ?? {});
    const tests = cases.map(({ after, series, fires = [] }) => ({
      interval: '15s',
      input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
      alert_rule_test: [
        {
          eval_time: after,
          alertname: alert.name,
          exp_alerts: fires.map(labels => ({
            exp_labels: { ...labels, severity: alert.severity },
            exp_annotations: annotationsOf(alert),
          })),
        },
      ],
    }));
    const { isContent, output } = await promtool(['test', 'rules', 'cases.yml'], {
      'alerts.yml': renderAlerts(ALERTS),
      'cases.yml': JSON.stringify({ rule_files: ['alerts.yml'], evaluation_interval: '15s', tests }),
    });
    t.true(isContent, output);
  });
