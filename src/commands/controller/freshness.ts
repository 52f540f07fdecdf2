// Looks after the age of the policy: when the objects of the namespace and the policy in the cluster could not be brought
// together for a while, it says so in the log and as an Event, and again when they could. Checks go on by the last policy.

import { unconfirmedMsMax } from "../../controller/writing/confirmation.ts";
import type { Logger } from "../../telemetry/logger.ts";

/** Between two looks, in ms. */
const lookMs = 5000;
/** While it lasts it is said again after so long, in ms. */
const againMs = 60_000;

export type FreshnessDeps = {
  /** Whether this process writes the policy: others know nothing of its age. */
  readonly leads: () => boolean;
  readonly confirmedAtMs: () => number | undefined;
  readonly monotonicMs: () => number;
  /** What keeps the policy from being written, as far as it is known. */
  readonly cause: () => string | undefined;
  /** Never rejects. */
  readonly announce: (isConfirmed: boolean, message: string) => Promise<void>;
  readonly logger: Logger;
};

export type Freshness = {
  /** Looks once; the timer calls it. */
  look(): void;
  start(): void;
  stop(): void;
};

export function createFreshness(deps: FreshnessDeps): Freshness {
  const { leads, confirmedAtMs, monotonicMs, cause, announce, logger } = deps;
  let ledSinceMs: number | undefined;
  let toldAtMs: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    if (!leads()) {
      ledSinceMs = undefined;
      toldAtMs = undefined;
      return;
    }
    const nowMs = monotonicMs();
    ledSinceMs ??= nowMs;
    const ageMs = nowMs - Math.max(ledSinceMs, confirmedAtMs() ?? 0);
    if (ageMs < unconfirmedMsMax) {
      if (toldAtMs === undefined) return;
      toldAtMs = undefined;
      logger.info("policy confirmed again");
      void announce(true, "The policy says what the objects say.");
      return;
    }
    if (toldAtMs !== undefined && nowMs - toldAtMs < againMs) return;
    toldAtMs = nowMs;
    const seconds = Math.floor(ageMs / 1000);
    const reason = cause() ?? "unknown";
    logger.error({ seconds, reason }, "policy not confirmed");
    const what = `For ${seconds} s the policy could not be brought up to what the objects say: changes, revocations too, are not in force.`;
    void announce(false, `${what} ${reason}`);
  };
  return {
    look,
    start() {
      timer = setInterval(look, lookMs);
      timer.unref();
    },
    stop: () => clearInterval(timer),
  };
}
