// The sections of docs/operations/runbook.md. What an operator is told is wrong, by readiness, an alert or the doctor, names
// the section that says what to do: a finding without one does not compile, and a test holds the names against the file.

/** Each by the anchor of its heading. */
export const SECTIONS = [
  'the-database-is-away',
  'the-database-takes-no-changes',
  'the-server-is-unfit-or-has-a-known-fault',
  'the-schema-is-older-than-the-program',
  'the-schema-is-newer-than-the-program',
  'rights-or-triggers-are-not-as-they-should-be',
  'row-security-hides-a-table',
  'the-login-is-not-what-the-service-needs',
  'changes-are-not-numbered',
  'there-is-more-than-one-leader',
  'the-relay-is-behind',
  'events-arrive-late',
  'a-stranger-holds-a-lock',
  'the-tokens-cannot-be-read',
  'the-instance-is-stopping',
  'an-instance-does-not-answer',
  'versions-differ',
  'the-pool-is-used-up',
  'requests-fail',
  'clients-are-turned-away',
  'the-event-loop-is-held-up',
  'open-files-run-out',
  'runs-fail',
  'retention-lets-nothing-go',
  'connections-to-postgresql-run-out',
  'a-transaction-stays-open',
  'a-replication-slot-keeps-what-is-old',
  'the-notification-queue-fills',
  'the-outbox-is-large',
  'the-log-grows-and-the-disk-fills',
  'the-clocks-differ',
  'an-index-or-a-partition-is-half-made',
  'the-standby-does-not-answer',
  'nats-is-away',
  'nats-waits-for-a-person',
  'nats-falls-behind',
  'messages-of-nats-are-rejected',
] as const;

export type Section = (typeof SECTIONS)[number];

/** What is wrong, in a sentence for an operator, and where it says what to do. */
export interface Finding {
  text: string;
  section: Section;
}

/** These sentences, all of one section. */
export function findings(section: Section, texts: readonly (string | undefined)[]): Finding[] {
  return texts.filter(text => text !== undefined).map(text => ({ text, section }));
}

/** Where the section is, from the project's folder. */
export const linkTo = (section: Section) => `docs/operations/runbook.md#${section}`;
