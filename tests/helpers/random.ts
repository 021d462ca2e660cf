// Chance that can be had again: a seeded generator for the tests that try schedules nobody would think of.

export interface Random {
  readonly seed: number;
  /** A whole number from 0 to below `end`. */
  below(end: number): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
  /** Picks each as often as its weight says. */
  weigh<Item extends { weight: number }>(items: readonly Item[]): Item;
  /** A generator of its own for each of several actors, so that none's luck hangs on the others' timing. */
  fork(): Random;
}

/** Tells its seed to `log` (ava's t.log); TEST_SEED=<seed>, or `given`, repeats a run. */
export function createRandom(log: (text: string) => void, given = process.env.TEST_SEED): Random {
  const seed = Number(given ?? Math.floor(Math.random() * 2 ** 32));
  log(`TEST_SEED=${seed}`);
  return fromSeed(seed);
}

function fromSeed(seed: number): Random {
  const next = mulberry32(seed);
  const random: Random = {
    seed,
    below: end => Math.floor(next() * end),
    chance: probability => next() < probability,
    pick: items => {
      const item = items[random.below(items.length)];
      if (item === undefined) throw new RangeError('nothing to pick from');
      return item;
    },
    weigh: items => {
      let left = next() * items.reduce((sum, { weight }) => sum + weight, 0);
      for (const item of items) {
        left -= item.weight;
        if (left < 0) return item;
      }
      throw new RangeError('nothing to weigh');
    },
    fork: () => fromSeed(Math.floor(next() * 2 ** 32)),
  };
  return random;
}

// Tommy Ettinger's mulberry32: 32 bits of state are plenty for a schedule.
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
