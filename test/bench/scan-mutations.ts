// A million mutated bodies through every scanner, with a seed of the day: throws at the first on which they do not agree.
// Run by hand: node test/bench/scan-mutations.ts [count] [seed]

import { runMutatedBodies } from "../core/json/mutated-bodies.ts";

const [count = 1_000_000, seed = Math.floor(Date.now() / 86_400_000)] = process.argv
  .slice(2)
  .map(Number);

const startMs = performance.now();
const { walked, admitted } = runMutatedBodies(count, seed);
const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
process.stdout.write(
  `${count} mutated bodies (seed ${seed}) in ${seconds} s: the scanners agree; ${admitted} admitted, ${walked} of them by the walk\n`,
);
