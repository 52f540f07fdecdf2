// How long to wait after a failure: exponential with jitter, and never less than the server asked for.

/** The first wait, in ms: servers end watches in order too, and what changes meanwhile should not wait for long. */
const baseMs = 100;
/** A hundred watchers ask a server that is back 12 times a second, and a key that is withdrawn is not usable for long. */
export const backoffMsMax = 10_000;
/** A server that asks for more is asked again after this, in ms. */
const retryAfterMsMax = 300_000;

/** `failures` in a row, 1 or more; `random` in 0..1. The wait is 80 % to 120 % of 0.1, 0.2, 0.4 .. 8.3 s: 10 s at most. */
export function backoffMs(failures: number, random: number, retryAfterMs = 0): number {
  const middle = Math.min(backoffMsMax / 1.2, baseMs * 2 ** Math.min(failures - 1, 10));
  return Math.max(middle * (0.8 + 0.4 * random), Math.min(retryAfterMs, retryAfterMsMax));
}
