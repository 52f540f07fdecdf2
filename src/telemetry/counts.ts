// Counts that every check adds to, as numbers in place: prom-client makes and hashes an object of labels each time, and is
// handed these when somebody asks.

import type { Metric } from "prom-client";

export type Labels = Readonly<Record<string, string>>;

/** Counts by two words, each from a closed list. */
export type PairCounts = {
  add(first: string, second: string): void;
  /** Each pair that was counted, in the order of the first times. */
  each(tell: (first: string, second: string, count: number) => void): void;
};

type Cell = { readonly first: string; readonly second: string; count: number };

export function createPairCounts(): PairCounts {
  const cells: Cell[] = [];
  const byFirst = new Map<string, Map<string, Cell>>();

  function create(first: string, second: string): Cell {
    const cell = { first, second, count: 0 };
    cells.push(cell);
    const bySecond = byFirst.get(first) ?? new Map<string, Cell>();
    byFirst.set(first, bySecond.set(second, cell));
    return cell;
  }

  return {
    add(first, second) {
      const cell = byFirst.get(first)?.get(second) ?? create(first, second);
      cell.count += 1;
    },
    each(tell) {
      for (const { first, second, count } of cells) tell(first, second, count);
    },
  };
}

export type BucketCounts = {
  observe(value: number): void;
  /** What prom-client's registry asks of a metric: its samples, buckets cumulated. */
  readonly metric: Metric;
};

type Named = { readonly name: string; readonly help: string };

/** A histogram without labels. `bounds` ascend; a value belongs to the first bound that it does not exceed. */
export function createBucketCounts(named: Named, bounds: readonly number[]): BucketCounts {
  const { name, help } = named;
  const counts = new Float64Array(bounds.length + 1);
  let sum = 0;

  function values(): readonly object[] {
    let below = 0;
    const buckets = [...counts].map((count, at) => {
      below += count;
      return {
        metricName: `${name}_bucket`,
        labels: { le: bounds[at] ?? "+Inf" },
        value: below,
      };
    });
    const total = { metricName: `${name}_count`, labels: {}, value: below };
    return [...buckets, { metricName: `${name}_sum`, labels: {}, value: sum }, total];
  }

  const metric = {
    ...{ name, help, type: "histogram", aggregator: "sum" },
    get: () =>
      Promise.resolve({ name, help, type: "histogram", aggregator: "sum", values: values() }),
    reset() {
      counts.fill(0);
      sum = 0;
    },
  };
  return {
    observe(value) {
      let at = 0;
      while (at < bounds.length && value > (bounds[at] ?? 0)) at += 1;
      counts[at] = (counts[at] ?? 0) + 1;
      sum += value;
    },
    // The registry calls nothing but `get`; its type names prom-client's own classes.
    metric: metric as unknown as Metric,
  };
}
