// A million mutated messages for each of Envoy's protocols, with a seed of the day: exit 1 when one of them is a bug, or is
// allowed another model than the authorized one. Run by hand: node test/bench/mutations.ts [count] [seed]

import { model, runMutatedChecks, runMutatedStreams } from "../envoy/mutated-messages.ts";

const [count = 1_000_000, seed = Math.floor(Date.now() / 86_400_000)] = process.argv
  .slice(2)
  .map(Number);

for (const [name, run] of [
  ["checks", runMutatedChecks],
  ["ext_proc streams", runMutatedStreams],
] as const) {
  const startMs = performance.now();
  const { allowed, allows, bugs } = run(count, seed);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const models = [...allowed].join(", ");
  process.stdout.write(
    `${count} mutated ${name} (seed ${seed}) in ${seconds} s: ${allows} allowed, of ${models}; ${bugs.length} bugs\n`,
  );
  if (bugs.length > 0 || [...allowed].some((one) => one !== model)) process.exitCode = 1;
}
