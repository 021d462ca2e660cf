// From which numbers on the doctor says that something is wrong; what it cannot be shown on a real server in a test.
import test from 'ava';
import { judgeConnections } from '../../src/doctor/connections.ts';
import { judgeQueue, judgeSlots, judgeTransaction } from '../../src/doctor/holders.ts';
import { judgeDisk, judgeNumbering, judgeOutbox, judgeRetention, judgeRuns } from '../../src/doctor/log.ts';
import { type Remark, showBytes, showSeconds } from '../../src/doctor/remark.ts';
import { judgeLogin } from '../../src/doctor/schema.ts';
import { judgeClocks, judgeTransactionIds } from '../../src/doctor/server.ts';

const GB = 1024 ** 3;
const grades = (remarks: readonly Remark[]) => remarks.map(({ grade }) => grade);

test('instances that may open more connections than there are is wrong, and room for none more is a note', t => {
  const judge = (most: number, instances: number) =>
    judgeConnections({ most, all: 40, ours: 30, instances }, { poolSize: 10, natsUrl: undefined });
  t.deepEqual(grades(judge(97, 2)), ['ok']); // 2 × 24, 10 of others, and 24 for one more
  t.deepEqual(grades(judge(81, 2)), ['note']);
  t.deepEqual(grades(judge(57, 2)), ['wrong']);
  t.regex(judge(57, 2)[0]?.text ?? '', /2 instances, of which each may open 24: 58 do not fit$/);
  t.regex(judge(57, 2)[0]?.advice ?? '', /raise max_connections by 25,/);
  t.deepEqual(grades(judge(33, 0)), ['wrong'], 'one that is to be started does not fit');
  const larger = judgeConnections(
    { most: 97, all: 40, ours: 30, instances: 2 },
    { poolSize: 20, natsUrl: 'nats://host' },
  );
  t.deepEqual(grades(larger), ['note']);
});

test('a slot that nobody reads is a note, and wrong once it keeps a gigabyte, or has lost what it needs', t => {
  const slot = { name: 'copy', active: true, status: 'reserved', kept: 1000 };
  t.deepEqual(grades(judgeSlots([slot])), ['ok']);
  t.deepEqual(grades(judgeSlots([{ ...slot, active: false }])), ['note']);
  t.deepEqual(grades(judgeSlots([{ ...slot, kept: 2 * GB }])), ['note']);
  t.deepEqual(grades(judgeSlots([{ ...slot, active: false, kept: 2 * GB }])), ['wrong']);
  t.deepEqual(grades(judgeSlots([{ ...slot, status: 'unreserved' }])), ['wrong']);
  t.deepEqual(grades(judgeSlots([slot, { ...slot, status: 'lost' }])), ['wrong']);
});

test('a transaction is a note after five minutes, and wrong after an hour', t => {
  const open = { pid: 7, role: 'r', application: 'psql', state: 'idle in transaction', gid: null };
  const grade = (seconds: number) => judgeTransaction({ ...open, seconds }).grade;
  t.deepEqual([grade(299), grade(300), grade(3_599), grade(3_600)], ['ok', 'note', 'note', 'wrong']);
  t.regex(
    judgeTransaction({ ...open, seconds: 7_300 }).text,
    /open for 2 h: pid 7, role r, application "psql"/,
  );
  const prepared = judgeTransaction({ ...open, pid: null, gid: 'x', seconds: 4_000 });
  t.regex(prepared.advice ?? '', /ROLLBACK PREPARED 'x'/);
});

test('a queue of notifications that is a tenth full is a note, and wrong when it is three tenths full', t => {
  t.deepEqual(
    [0, 0.09, 0.1, 0.3].map(usage => judgeQueue(usage).grade),
    ['ok', 'ok', 'note', 'wrong'],
  );
});

test('a disk that the log fills within a week, or that is full but for some percent, is wrong', t => {
  const space = { free: 100 * GB, total: 200 * GB };
  const grade = (bytes: number, free = space.free) =>
    judgeDisk({ ...space, free }, { events: 1, bytes }).grade;
  t.deepEqual([grade(0), grade(3 * GB), grade(4 * GB), grade(20 * GB)], ['ok', 'ok', 'note', 'wrong']);
  t.deepEqual([grade(0, 15 * GB), grade(0, 5 * GB)], ['note', 'wrong']);
  t.is(judgeDisk(undefined, { events: 1, bytes: GB }).grade, 'note', 'one that cannot be seen');
});

test('an outbox of a gigabyte is a note, and of ten wrong', t => {
  t.deepEqual(
    [GB - 1, GB, 10 * GB].map(bytes => judgeOutbox(bytes).grade),
    ['ok', 'note', 'wrong'],
  );
});

test('clocks that are ten seconds apart are wrong, as far as the way of the question tells; so is one that went back', t => {
  const grade = (offset: number, doubt = 0, ahead = 0) => grades(judgeClocks({ offset, doubt, ahead }));
  t.deepEqual([grade(0.5), grade(-2), grade(11)], [['ok'], ['note'], ['wrong']]);
  t.deepEqual(grade(11, 10.5), ['ok']);
  t.deepEqual(grade(0, 0, 60), ['ok', 'wrong']);
});

test('nobody who leads, a leader that hangs, and a stranger on its lock are wrong; that no instance runs is a note', t => {
  const leader = 'pid 7, role app, application "taskwire sequencer"';
  const led = { leader, is_ours: true, instances: 2, waiting: 0, isStuck: false };
  t.deepEqual(grades(judgeNumbering(led)), ['ok']);
  t.deepEqual(grades(judgeNumbering({ ...led, waiting: 60, isStuck: true })), ['wrong']);
  t.deepEqual(grades(judgeNumbering({ ...led, leader: null, is_ours: false })), ['wrong']);
  const [stranger] = judgeNumbering({ ...led, leader: 'pid 8, role x, application "psql"', is_ours: false });
  t.is(stranger?.section, 'a-stranger-holds-a-lock');
  t.deepEqual(grades(judgeNumbering({ ...led, leader: null, is_ours: false, instances: 0 })), ['note']);
});

test('a log that goes back further than it should, by more than an hour, is wrong', t => {
  const grade = (seconds: number) => judgeRetention(seconds, 86_400).grade;
  t.deepEqual([grade(0), grade(86_400 + 3_599), grade(86_400 + 3_600)], ['ok', 'ok', 'wrong']);
});

test('a kind of run that failed is a note, and wrong once three in a row did', t => {
  const failed = (failed: number) =>
    judgeRuns([{ kind: 'currency_rates', failed, error: 'the bank is away' }]);
  t.deepEqual([judgeRuns([]), failed(1), failed(3)].map(grades), [['ok'], ['note'], ['wrong']]);
  t.regex(failed(3)[0]?.text ?? '', /^the last 3 runs of currency_rates failed: the bank is away$/);
});

test('a login that has nothing to do with the service is wrong; a superuser, and one that retention needs more of, are notes', t => {
  const login = {
    role: 'me',
    superuser: false,
    has_app: true,
    has_reader: true,
    is_owner: false,
    is_member: true,
    owner: 'them',
  };
  const around = { app: 'taskwire_app', reader: 'taskwire_reader', databaseUrl: 'x', retention: undefined };
  t.deepEqual(grades(judgeLogin(login, around)), ['ok']);
  t.deepEqual(grades(judgeLogin({ ...login, is_member: false }, around)), ['wrong']);
  t.deepEqual(grades(judgeLogin({ ...login, superuser: true }, around)), ['note']);
  t.deepEqual(grades(judgeLogin(login, { ...around, retention: 60 })), ['note']);
  t.deepEqual(grades(judgeLogin({ ...login, is_owner: true }, { ...around, retention: 60 })), ['ok']);
  t.deepEqual(grades(judgeLogin({ ...login, has_reader: false }, around)), ['note']);
});

test('transaction ids are a note from 500 million on, and wrong from a thousand million', t => {
  const grade = (age: number) => judgeTransactionIds(age).grade;
  t.deepEqual([1e6, 5e8, 1e9].map(grade), ['ok', 'note', 'wrong']);
});

test('sizes and times are shown as people say them', t => {
  t.deepEqual([0, 900, 1536, 15 * GB].map(showBytes), ['0 B', '900 B', '1.5 kB', '15 GB']);
  t.deepEqual([5, 600, 7_200, 864_000].map(showSeconds), ['5 s', '10 min', '2 h', '10 days']);
});
