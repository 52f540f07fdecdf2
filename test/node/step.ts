// A step of the cluster test: each builds on those before it, so after the first failure, which says how the cluster
// stands, the rest is skipped.

import { test } from "node:test";
import { diagnosis } from "./kube.ts";

const stepMsMax = 180_000;

/** Prints a line under the step that runs: times, counts. */
export function say(line: string): void {
  process.stdout.write(`  . ${line}\n`);
}

/** Whole milliseconds that `action` takes. */
export async function timed(action: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await action();
  return Math.round(performance.now() - begun);
}

let hasFailed = false;

export function step(name: string, run: () => Promise<void>): void {
  test(name, { timeout: stepMsMax }, async (context) => {
    if (hasFailed) {
      context.skip("a step before this one failed");
      return;
    }
    try {
      await run();
    } catch (error) {
      hasFailed = true;
      process.stdout.write(`${await diagnosis()}\n`);
      throw error;
    }
  });
}
