// What a client that wrote a name that is not known may have meant.

/** The known name that is nearest, if one is near: due_at for dueAt, status for statsu, description for desc. */
export function suggest(unknown: string, known: readonly string[]): string | undefined {
  const plain = plainOf(unknown);
  // A name that is known, but not in this place, has no nearer one.
  if (plain.length < 2 || plain.length > 40 || known.includes(unknown)) return undefined;
  const most = Math.max(1, Math.floor(plain.length / 3));
  const near = known
    .map(name => ({ name, far: distance(plain, plainOf(name)) }))
    .filter(({ name, far }) => far <= most || (plain.length > 2 && plainOf(name).startsWith(plain)))
    .sort((a, b) => a.far - b.far);
  return near[0]?.name;
}

function plainOf(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}

// Letters put in, left out, changed, or two of them swapped: optimal string alignment.
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const least = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (same ? 0 : 1));
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(isSwap ? Math.min(least, at(before, j - 2) + 1) : least);
    }
    before = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
