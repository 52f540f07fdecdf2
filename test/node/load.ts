// Steady requests while something happens to the cluster. They are sent at their times, however long answers take, so
// that a pause shows as requests that wait.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

const perSecond = 50;
/** Milliseconds of load before and after what is tried. */
const marginMs = 1000;

export type Failure = { readonly atMs: number; readonly why: string };

/** `send` says what is wrong with its answer, or "". Throws unless every answer was right. Returns a line of figures. */
export async function underLoad(
  send: () => Promise<string>,
  action: () => Promise<void>,
): Promise<string> {
  const failures: Failure[] = [];
  const durations: number[] = [];
  const running = new Set<Promise<void>>();
  const begun = performance.now();
  let sent = 0;
  const one = async (): Promise<void> => {
    const atMs = performance.now();
    const why = await send().catch((error: unknown) => String(error));
    durations.push(performance.now() - atMs);
    if (why !== "") failures.push({ atMs: Math.round(atMs - begun), why });
  };
  const timer = setInterval(() => {
    for (; sent < ((performance.now() - begun) * perSecond) / 1000; sent += 1) {
      const each = one().finally(() => running.delete(each));
      running.add(each);
    }
  }, 10);
  try {
    await sleep(marginMs);
    await action();
    await sleep(marginMs);
  } finally {
    clearInterval(timer);
    await Promise.all(running);
  }
  const seconds = (performance.now() - begun) / 1000;
  durations.sort((a, b) => a - b);
  const at = (share: number): string => (durations[Math.floor(share * sent)] ?? 0).toFixed(0);
  const shown = failures.slice(0, 10).map(({ atMs, why }) => `${atMs} ms: ${why}`);
  const counts = `${sent} requests in ${seconds.toFixed(1)} s, ${failures.length} failed`;
  const line = `${counts}; p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1 - 1e-9)} ms`;
  assert.equal(failures.length, 0, `${line}\n${shown.join("\n")}`);
  assert.ok(sent > seconds * perSecond * 0.9, line);
  return line;
}
