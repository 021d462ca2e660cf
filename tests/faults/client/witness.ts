// Who looks at what a client shows, frame by frame, and finds what no user should see.
import type { Snapshot, Task } from '../../../src/client/client.ts';

export interface Witness {
  frames: number;
  positions: number[];
  /** The positions between two resets. */
  runs: number[][];
  changes: { made: number; refused: number };
  violations: string[];
  saw(snapshot: Snapshot<Task>): void;
  heard(position: number): void;
  heardUntil(): number | undefined;
  wasReset(): void;
  /** The client's user deletes it now. */
  deleting(key: string): void;
  violated(what: string): void;
}

export function createWitness(): Witness {
  let last: Snapshot<Task> | undefined;
  let lastText = '';
  const versions = new Map<string, number>(); // the highest that was shown
  const gone = new Map<string, number>(); // the version in which it was last shown
  const titles = new Map<string, string>(); // of the client's own tasks: they only count up
  const deleted = new Set<string>();
  const witness: Witness = {
    frames: 0,
    positions: [],
    runs: [[]],
    changes: { made: 0, refused: 0 },
    violations: [],
    violated: what => void witness.violations.push(what),
    deleting: key => void deleted.add(key),
    heard(position) {
      const before = witness.runs.at(-1)?.at(-1) ?? 0;
      if (position <= before) witness.violated(`event ${position} came after ${before}`);
      witness.runs.at(-1)?.push(position);
      witness.positions.push(position);
    },
    heardUntil: () => witness.positions.at(-1),
    wasReset: () => void witness.runs.push([]),
    saw(snapshot) {
      witness.frames++;
      const text = JSON.stringify(snapshot.items);
      if (last && last.state === snapshot.state && text === lastText)
        witness.violated(`frame ${witness.frames} is that before it, again`);
      if (last && last.items !== snapshot.items && text === lastText)
        witness.violated(`frame ${witness.frames} has another array of the same rows`);
      compare(last?.items ?? [], snapshot.items);
      last = snapshot;
      lastText = text;
    },
  };

  function compare(before: readonly Task[], after: readonly Task[]): void {
    const present = new Set(after.map(({ id }) => id));
    for (const { id, version } of before) if (!present.has(id)) gone.set(id, version);
    for (const { id, version, title } of after) {
      if ((versions.get(id) ?? 0) > version) witness.violated(`${title} went back to version ${version}`);
      versions.set(id, version);
      if ((gone.get(id) ?? -1) >= version) witness.violated(`${title} was gone and came back as it was`);
      gone.delete(id);
    }
    const own = after.filter(({ labels }) => labels[0]?.startsWith('own'));
    const keys = own.map(({ labels }) => labels[0] ?? '');
    if (new Set(keys).size < keys.length) witness.violated('a task of its own is shown twice');
    for (const key of titles.keys())
      if (!keys.includes(key)) {
        if (!deleted.has(key)) witness.violated(`${key} is gone without a deletion`);
        titles.delete(key);
      }
    for (const [index, key] of keys.entries()) {
      const title = own[index]?.title ?? '';
      if (title < (titles.get(key) ?? ''))
        witness.violated(`${key} went back from ${titles.get(key)} to ${title}`);
      if (deleted.has(key)) witness.violated(`${key} is shown after its deletion`);
      titles.set(key, title);
    }
  }
  return witness;
}
