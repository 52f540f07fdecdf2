// How long ago a controller said that the policy in force is what the objects say: from the small ConfigMap that it
// writes beside the policy every few seconds.

import type { ConfigMaps } from "./configmap-set.ts";

/** Of the ConfigMap beside the policy, and of the entry in it. */
const suffix = "-confirmed";
const confirmationEntry = "confirmed.json";

export type Confirmations = {
  /** At what the watch has brought. */
  look(items: ConfigMaps): void;
  /** A policy is in force from now on. */
  put(revision: string): void;
  /**
   * When the policy that was in force then was last confirmed, in milliseconds since the epoch. One that has just come is
   * as old as the last word on the one before, until it is confirmed itself. undefined: none was.
   */
  confirmedAtMs(): number | undefined;
};

/** Revisions that are remembered: one that is loaded a moment after it was confirmed is confirmed. */
const revisionsMax = 16;

/** `name`: of the ConfigMap with the index. */
export function createConfirmations(name: string, nowMs: () => number): Confirmations {
  let seen: string | undefined;
  let inForce: string | undefined;
  let lastMs: number | undefined;
  const confirmed = new Map<string, number>();
  return {
    look(items) {
      const text = items.get(`${name}${suffix}`)?.data?.[confirmationEntry];
      // A list after a break brings it again, and it is as old as before.
      if (text === undefined || text === seen) return;
      const isFirst = seen === undefined;
      seen = text;
      const read = readConfirmation(text);
      if (read === undefined) return;
      // What was there before this process is as old as it says; a change was made just now, whatever the clocks say.
      const atMs = isFirst ? Math.min(read.atMs, nowMs()) : nowMs();
      confirmed.delete(read.revision);
      confirmed.set(read.revision, atMs);
      const [oldest] = confirmed.keys();
      if (confirmed.size > revisionsMax && oldest !== undefined) confirmed.delete(oldest);
      if (read.revision === inForce) lastMs = atMs;
    },
    put(revision) {
      inForce = revision;
      const atMs = confirmed.get(revision);
      if (atMs !== undefined) lastMs = Math.max(atMs, lastMs ?? atMs);
    },
    confirmedAtMs: () => lastMs,
  };
}

function readConfirmation(
  text: string,
): { readonly revision: string; readonly atMs: number } | undefined {
  if (text.length > 1024) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    const { revision, confirmedAt } = value as Readonly<Record<string, unknown>>;
    if (typeof revision !== "string" || typeof confirmedAt !== "string") return undefined;
    const atMs = Date.parse(confirmedAt);
    return Number.isNaN(atMs) ? undefined : { revision, atMs };
  } catch {
    return undefined;
  }
}
