// A clock that tests move: waits end when their time has come, and nothing takes real time.

import { setImmediate as settle } from "node:timers/promises";

export type FakeClock = {
  nowMs(): number;
  delay(ms: number, signal: AbortSignal): Promise<void>;
  /** Moves on, ending each wait in its order; what follows from one runs before the next. */
  advance(ms: number): Promise<void>;
  waiting(): number;
};

export function createFakeClock(): FakeClock {
  let now = 1_000_000;
  const waits = new Set<{ readonly at: number; readonly end: () => void }>();
  return {
    nowMs: () => now,
    waiting: () => waits.size,
    delay(ms, signal) {
      return new Promise((resolve) => {
        if (signal.aborted) return resolve();
        const wait = {
          at: now + ms,
          end: () => {
            waits.delete(wait);
            resolve();
          },
        };
        waits.add(wait);
        signal.addEventListener("abort", wait.end, { once: true });
      });
    },
    async advance(ms) {
      const target = now + ms;
      await settle();
      for (;;) {
        const due = [...waits].filter(({ at }) => at <= target).sort((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        now = Math.max(now, due.at);
        due.end();
        await settle();
      }
      now = target;
      await settle();
    },
  };
}
