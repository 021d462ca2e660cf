// When Prometheus tells a person: docs/operations/alerts.yml is made of this list, and each alert leads to the section of
// the runbook that says what to do. `severity` critical: clients notice, or soon will; warning: within a day.
import { linkTo, type Section } from '../runbook.ts';

/** A condition that a person has to be told of, once it has held for so long. */
interface Alert {
  name: string;
  severity: 'critical' | 'warning';
  expr: string;
  for: string;
  summary: string;
  section: Section;
}

// What probes ask is no client's request.
const CLIENTS = 'route!~"/health/.*"';
const requests = (labels: string) =>
  `sum by (job) (rate(taskwire_http_request_seconds_count{${labels}}[5m]))`;
const runs = (status: string) => `max by (job, kind) (delta(taskwire_runs{status="${status}"}[6h])) > 0`;

/** All of them. The instances of one service are one `job`, called taskwire where it says so. */
export const ALERTS: readonly Alert[] = [
  {
    name: 'TaskwireInstanceDown',
    severity: 'critical',
    expr: 'up{job="taskwire"} == 0',
    for: '1m',
    summary: 'An instance does not answer Prometheus.',
    section: 'an-instance-does-not-answer',
  },
  {
    name: 'TaskwireNoInstance',
    severity: 'critical',
    expr: 'absent(taskwire_build_info)',
    for: '2m',
    summary: 'Prometheus knows of no instance.',
    section: 'an-instance-does-not-answer',
  },
  {
    name: 'TaskwireDatabaseAway',
    severity: 'critical',
    expr: 'taskwire_database_up == 0',
    for: '1m',
    summary: 'The database does not answer an instance.',
    section: 'the-database-is-away',
  },
  {
    name: 'TaskwireNoLeader',
    severity: 'critical',
    expr: 'sum by (job) (taskwire_sequencer_leader) == 0',
    for: '1m',
    summary: 'No instance numbers the changes: they are kept, and nobody is told of them.',
    section: 'changes-are-not-numbered',
  },
  {
    name: 'TaskwireTwoLeaders',
    severity: 'critical',
    expr: 'sum by (job) (taskwire_sequencer_leader) > 1',
    for: '1m',
    summary: 'More than one instance says that it numbers the changes.',
    section: 'there-is-more-than-one-leader',
  },
  {
    name: 'TaskwireChangesNotNumbered',
    severity: 'critical',
    expr: 'max by (job) (taskwire_sequencer_lag_seconds) > 5',
    for: '30s',
    summary: 'A committed change waits for its position.',
    section: 'changes-are-not-numbered',
  },
  {
    name: 'TaskwireNotificationQueueFills',
    severity: 'critical',
    expr: 'max by (job) (taskwire_notification_queue_ratio) > 0.3',
    for: '5m',
    summary: 'A listener does not take its messages; once the queue is full, commits fail.',
    section: 'the-notification-queue-fills',
  },
  {
    name: 'TaskwireRelayBehind',
    severity: 'critical',
    expr: 'taskwire_log_head > taskwire_relay_position and changes(taskwire_relay_position[1m]) == 0',
    for: '1m',
    summary: 'An instance tells its sockets nothing, though there are events.',
    section: 'the-relay-is-behind',
  },
  {
    name: 'TaskwireEventsLate',
    severity: 'warning',
    expr: 'histogram_quantile(0.99, sum by (job, instance, le) (rate(taskwire_event_latency_seconds_bucket[5m]))) > 5',
    for: '5m',
    summary: 'One event in a hundred takes more than 5 s from its change until it is sent.',
    section: 'events-arrive-late',
  },
  {
    name: 'TaskwirePoolUsedUp',
    severity: 'warning',
    expr: 'min_over_time(taskwire_pool_waiting[1m]) > 0',
    for: '1m',
    summary: "Requests wait for a connection of the instance's pool.",
    section: 'the-pool-is-used-up',
  },
  {
    name: 'TaskwireRequestsFail',
    severity: 'critical',
    expr: `${requests(`status=~"5..",${CLIENTS}`)} / ${requests(CLIENTS)} > 0.05`,
    for: '5m',
    summary: 'More than one request in twenty is answered with 5xx.',
    section: 'requests-fail',
  },
  {
    name: 'TaskwireClientsTurnedAway',
    severity: 'warning',
    expr: 'sum by (job, instance) (increase(taskwire_limited_total{limit="connections"}[5m])) > 0',
    for: '1m',
    summary: 'An instance has no room for more connections.',
    section: 'clients-are-turned-away',
  },
  {
    name: 'TaskwireEventLoopHeldUp',
    severity: 'warning',
    expr: 'min_over_time(nodejs_eventloop_lag_p99_seconds{job="taskwire"}[5m]) > 0.5',
    for: '1m',
    summary: 'An instance answers late: its event loop is held up.',
    section: 'the-event-loop-is-held-up',
  },
  {
    name: 'TaskwireOpenFilesRunOut',
    severity: 'warning',
    expr: 'process_open_fds{job="taskwire"} / process_max_fds{job="taskwire"} > 0.8',
    for: '5m',
    summary: 'An instance has nearly as many files open as it may.',
    section: 'open-files-run-out',
  },
  {
    name: 'TaskwireRunsFail',
    severity: 'warning',
    expr: `${runs('failed')} unless ${runs('succeeded')}`,
    for: '5m',
    summary: 'Of a kind of background job runs fail, and none has succeeded for six hours.',
    section: 'runs-fail',
  },
  {
    name: 'TaskwireVersionsDiffer',
    severity: 'warning',
    expr: 'count by (job) (count by (job, version) (taskwire_build_info)) > 1',
    for: '1h',
    summary: 'Instances of different versions run.',
    section: 'versions-differ',
  },
  {
    name: 'TaskwireNatsAway',
    severity: 'warning',
    expr: 'taskwire_nats_connected == 0',
    for: '2m',
    summary: 'An instance is not connected to NATS.',
    section: 'nats-is-away',
  },
  {
    name: 'TaskwireNatsHalted',
    severity: 'critical',
    expr: 'taskwire_nats_halted == 1',
    for: '1m',
    summary: 'Something of NATS waits for a person.',
    section: 'nats-waits-for-a-person',
  },
  {
    name: 'TaskwireNatsNobodyPublishes',
    severity: 'warning',
    expr: 'sum by (job) (taskwire_nats_bridge_leader) == 0',
    for: '2m',
    summary: 'No instance publishes the events to NATS.',
    section: 'nats-falls-behind',
  },
  {
    name: 'TaskwireNatsBehind',
    severity: 'warning',
    expr: 'min_over_time(taskwire_nats_lag_events[5m]) > 0 and deriv(taskwire_nats_lag_events[5m]) > 0',
    for: '5m',
    summary: 'More events come than NATS takes.',
    section: 'nats-falls-behind',
  },
  {
    name: 'TaskwireNatsMessagesRejected',
    severity: 'warning',
    expr: 'sum by (job) (increase(taskwire_nats_ingested_total{outcome="rejected"}[15m])) > 0',
    for: '0s',
    summary: 'Messages came by NATS that could not be taken.',
    section: 'messages-of-nats-are-rejected',
  },
];

/** What a person is told with an alert. */
export const annotationsOf = ({ summary, section }: Alert) => ({ summary, runbook: linkTo(section) });

/** The list as Prometheus reads it. */
export function renderAlerts(alerts: readonly Alert[]): string {
  return [
    '# When Prometheus tells a person; made of src/metrics/alerts.ts. The instances are scraped as the job taskwire.',
    'groups:',
    '  - name: taskwire',
    '    rules:',
    ...alerts.flatMap(alert => renderAlert(alert)),
    '',
  ].join('\n');
}

function renderAlert(alert: Alert): string[] {
  const { name, severity, expr } = alert;
  const { summary, runbook } = annotationsOf(alert);
  return [
    `      - alert: ${name}`,
    `        expr: ${quote(expr)}`,
    `        for: ${alert.for}`,
    `        labels: { severity: ${severity} }`,
    '        annotations:',
    `          summary: ${quote(summary)}`,
    `          runbook: ${runbook}`,
  ];
}

const quote = (text: string) => `'${text.replaceAll("'", "''")}'`;
