// For each alert what it is told by, and what looks nearly so and is nobody's concern. Series have a sample every 15 s, written as
// promtool writes them: `1+2x40` is forty more samples, each 2 above the one before.

/** Series by their names and labels, and the labels of the alerts that they must bring about, but for alertname and severity. */
interface Case {
  after: string;
  series: Readonly<Record<string, string>>;
  fires?: readonly Readonly<Record<string, string>>[];
}

const A = 'job="taskwire",instance="a"';
const B = 'job="taskwire",instance="b"';
const NOT_KNOWN = Array.from({ length: 81 }, () => 'NaN').join(' ');
const OF_A = { job: 'taskwire', instance: 'a' };
const JOB = { job: 'taskwire' };
const latency = (fast: string, slow: string) => ({
  [`taskwire_event_latency_seconds_bucket{${A},le="5"}`]: fast,
  [`taskwire_event_latency_seconds_bucket{${A},le="10"}`]: slow,
  [`taskwire_event_latency_seconds_bucket{${A},le="+Inf"}`]: slow,
});
const answered = (ok: string, failed: string, route = '/tasks') => ({
  [`taskwire_http_request_seconds_count{${A},method="GET",route="${route}",status="200"}`]: ok,
  [`taskwire_http_request_seconds_count{${A},method="GET",route="${route}",status="503"}`]: failed,
});
const ended = (failed: string, succeeded: string) => ({
  [`taskwire_runs{${A},kind="currency_rates",status="failed"}`]: failed,
  [`taskwire_runs{${A},kind="currency_rates",status="succeeded"}`]: succeeded,
  [`taskwire_runs{${A},kind="task_generator",status="succeeded"}`]: '5+1x3000',
});

/** By the alert's name: one in which it fires, and one in which it does not. */
export const CASES: Readonly<Record<string, { firing: Case; quiet: Case }>> = {
  TaskwireInstanceDown: {
    firing: { after: '2m', series: { [`up{${A}}`]: '0x20', [`up{${B}}`]: '1x20' }, fires: [OF_A] },
    quiet: { after: '2m', series: { [`up{${A}}`]: '1 0 1x20', 'up{job="node",instance="a"}': '0x20' } },
  },
  TaskwireNoInstance: {
    firing: { after: '5m', series: { 'up{job="node",instance="a"}': '1x20' }, fires: [{}] },
    quiet: { after: '5m', series: { [`taskwire_build_info{${A},version="1",node="24"}`]: '1x20' } },
  },
  TaskwireDatabaseAway: {
    firing: {
      after: '2m',
      series: { [`taskwire_database_up{${A}}`]: '0x20', [`taskwire_database_up{${B}}`]: '1x20' },
      fires: [OF_A],
    },
    quiet: { after: '2m', series: { [`taskwire_database_up{${A}}`]: '1x3 0 0 1x20' } },
  },
  TaskwireNoLeader: {
    firing: {
      after: '3m',
      series: { [`taskwire_sequencer_leader{${A}}`]: '0x20', [`taskwire_sequencer_leader{${B}}`]: '0x20' },
      fires: [JOB],
    },
    quiet: {
      after: '3m',
      series: { [`taskwire_sequencer_leader{${A}}`]: '0x20', [`taskwire_sequencer_leader{${B}}`]: '1x20' },
    },
  },
  TaskwireTwoLeaders: {
    firing: {
      after: '3m',
      series: { [`taskwire_sequencer_leader{${A}}`]: '1x20', [`taskwire_sequencer_leader{${B}}`]: '1x20' },
      fires: [JOB],
    },
    quiet: {
      after: '3m',
      series: {
        [`taskwire_sequencer_leader{${A}}`]: '1x8 0x20', // it hands over, and both say so for a moment
        [`taskwire_sequencer_leader{${B}}`]: '0x7 1x20',
        'taskwire_sequencer_leader{job="another",instance="c"}': '1x20',
      },
    },
  },
  TaskwireChangesNotNumbered: {
    firing: {
      after: '2m',
      series: { [`taskwire_sequencer_lag_seconds{${A}}`]: '1+15x20' },
      fires: [JOB],
    },
    quiet: {
      after: '2m',
      series: {
        [`taskwire_sequencer_lag_seconds{${A}}`]: '0 0 0 0 0 0 9 0x20', // what a long transaction has just committed
        [`taskwire_sequencer_lag_seconds{${B}}`]: NOT_KNOWN,
      },
    },
  },
  TaskwireNotificationQueueFills: {
    firing: {
      after: '10m',
      series: { [`taskwire_notification_queue_ratio{${A}}`]: '0.1+0.02x60' },
      fires: [JOB],
    },
    quiet: { after: '10m', series: { [`taskwire_notification_queue_ratio{${A}}`]: '0.1x30 0.6 0.2x30' } },
  },
  TaskwireRelayBehind: {
    firing: {
      after: '4m',
      series: { [`taskwire_log_head{${A}}`]: '10+5x20', [`taskwire_relay_position{${A}}`]: '10x20' },
      fires: [OF_A],
    },
    quiet: {
      after: '4m',
      series: {
        [`taskwire_log_head{${A}}`]: '10+5x20', // it works its way up
        [`taskwire_relay_position{${A}}`]: '1+5x20',
        [`taskwire_log_head{${B}}`]: '10x20', // nothing happens
        [`taskwire_relay_position{${B}}`]: '10x20',
      },
    },
  },
  TaskwireEventsLate: {
    firing: { after: '15m', series: latency('0+95x80', '0+100x80'), fires: [OF_A] },
    quiet: { after: '15m', series: latency('0+995x80', '0+1000x80') },
  },
  TaskwirePoolUsedUp: {
    firing: { after: '5m', series: { [`taskwire_pool_waiting{${A}}`]: '3x30' }, fires: [OF_A] },
    quiet: {
      after: '5m',
      series: { [`taskwire_pool_waiting{${A}}`]: '5 0 5 0 5 0 5 0 5 0 5 0 5 0 5 0 5 0 5 0 5 0 5 0' },
    },
  },
  TaskwireRequestsFail: {
    firing: { after: '15m', series: answered('0+90x80', '0+10x80'), fires: [JOB] },
    quiet: {
      after: '15m',
      series: { ...answered('0+99x80', '0+1x80'), ...answered('0+0x80', '0+50x80', '/health/ready') },
    },
  },
  TaskwireClientsTurnedAway: {
    firing: {
      after: '5m',
      series: { [`taskwire_limited_total{${A},limit="connections"}`]: '0x4 0+3x30' },
      fires: [OF_A],
    },
    quiet: {
      after: '5m',
      series: {
        [`taskwire_limited_total{${A},limit="connections"}`]: '7x30',
        [`taskwire_limited_total{${A},limit="rate"}`]: '0+9x30', // that is what a limit is for
      },
    },
  },
  TaskwireEventLoopHeldUp: {
    firing: { after: '8m', series: { [`nodejs_eventloop_lag_p99_seconds{${A}}`]: '0.8x40' }, fires: [OF_A] },
    quiet: {
      after: '8m',
      series: {
        [`nodejs_eventloop_lag_p99_seconds{${A}}`]: '0.8x12 0.02 0.8x30',
        'nodejs_eventloop_lag_p99_seconds{job="another",instance="c"}': '9x40',
      },
    },
  },
  TaskwireOpenFilesRunOut: {
    firing: {
      after: '10m',
      series: { [`process_open_fds{${A}}`]: '900x60', [`process_max_fds{${A}}`]: '1000x60' },
      fires: [OF_A],
    },
    quiet: {
      after: '10m',
      series: { [`process_open_fds{${A}}`]: '700x60', [`process_max_fds{${A}}`]: '1000x60' },
    },
  },
  TaskwireRunsFail: {
    firing: {
      after: '7h',
      series: ended('0x600 1x240 2x3000', '40x3000'),
      fires: [{ ...JOB, kind: 'currency_rates' }],
    },
    quiet: { after: '7h', series: ended('0x600 1x240 2x3000', '40x1000 41x2000') },
  },
  TaskwireVersionsDiffer: {
    firing: {
      after: '2h',
      series: {
        [`taskwire_build_info{${A},version="1",node="24"}`]: '1x600',
        [`taskwire_build_info{${B},version="2",node="24"}`]: '1x600',
      },
      fires: [JOB],
    },
    quiet: {
      after: '2h',
      series: {
        [`taskwire_build_info{${A},version="1",node="24"}`]: '1x60 stale', // it is replaced
        [`taskwire_build_info{${A},version="2",node="24"}`]: '_x70 1x600',
        [`taskwire_build_info{${B},version="2",node="24"}`]: '1x600',
      },
    },
  },
  TaskwireNatsAway: {
    firing: { after: '4m', series: { [`taskwire_nats_connected{${A}}`]: '0x30' }, fires: [OF_A] },
    quiet: { after: '4m', series: { [`taskwire_nats_connected{${A}}`]: '1 1 0 0 0 1x30' } },
  },
  TaskwireNatsHalted: {
    firing: { after: '3m', series: { [`taskwire_nats_halted{${A}}`]: '1x30' }, fires: [OF_A] },
    quiet: { after: '3m', series: { [`taskwire_nats_halted{${A}}`]: '0x30' } },
  },
  TaskwireNatsNobodyPublishes: {
    firing: {
      after: '4m',
      series: {
        [`taskwire_nats_bridge_leader{${A}}`]: '0x30',
        [`taskwire_nats_bridge_leader{${B}}`]: '0x30',
      },
      fires: [JOB],
    },
    quiet: {
      after: '4m',
      series: {
        [`taskwire_nats_bridge_leader{${A}}`]: '0x30',
        [`taskwire_nats_bridge_leader{${B}}`]: '1x30',
      },
    },
  },
  TaskwireNatsBehind: {
    firing: { after: '15m', series: { [`taskwire_nats_lag_events{${A}}`]: '1+5x80' }, fires: [OF_A] },
    quiet: {
      after: '15m',
      series: {
        [`taskwire_nats_lag_events{${A}}`]: '900-5x80', // it catches up
        [`taskwire_nats_lag_events{${B}}`]: NOT_KNOWN,
      },
    },
  },
  TaskwireNatsMessagesRejected: {
    firing: {
      after: '5m',
      series: { [`taskwire_nats_ingested_total{${A},outcome="rejected"}`]: '0x8 1x60' },
      fires: [JOB],
    },
    quiet: {
      after: '5m',
      series: {
        [`taskwire_nats_ingested_total{${A},outcome="rejected"}`]: '4x60',
        [`taskwire_nats_ingested_total{${A},outcome="created"}`]: '0+3x60',
      },
    },
  },
};
