// Says, in a small ConfigMap beside the policy, that the policy in the cluster is what the objects say now: each time
// that a run has found or made it so, but not more often than every few seconds. Authorizers watch it with the policy, and
// tell how long ago that was. The policy's own ConfigMaps are not touched: nothing is read or compiled again.

/** Milliseconds between two confirmations of one revision. */
export const confirmEveryMs = 10_000;

/** Without a confirmation for so long, in ms, something is wrong. */
export const unconfirmedMsMax = 30_000;

export const confirmationEntry = "confirmed.json";

/** Name of the ConfigMap: never that of a shard, which ends in a number. */
export function confirmationName(configMap: string): string {
  return `${configMap}-confirmed`;
}

export type Confirmation = {
  readonly revision: string;
  /** RFC 3339, by the clock of the controller. */
  readonly confirmedAt: string;
};

export type ConfirmerDeps = {
  /** Rejects when it cannot be written. */
  readonly write: (confirmation: Confirmation) => Promise<void>;
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  /** Each failure; the policy is in force all the same. */
  readonly onFailure: (error: unknown) => void;
};

export type Confirmer = {
  /** The policy of this revision is in the cluster. Resolves when that is written, or need not be. Never rejects. */
  confirm(revision: string): Promise<void>;
  /** When a policy was last found in the cluster, by the monotonic clock; undefined: never. */
  confirmedAtMs(): number | undefined;
};

export function createConfirmer(deps: ConfirmerDeps): Confirmer {
  const { write, nowMs, monotonicMs, onFailure } = deps;
  let confirmedAtMs: number | undefined;
  let told: { readonly revision: string; readonly atMs: number } | undefined;
  let isWriting = false;
  /** Of the last call. */
  let last: { readonly revision: string; readonly atMs: number } | undefined;
  const isNews = (): boolean =>
    last !== undefined &&
    (told?.revision !== last.revision || last.atMs - told.atMs >= confirmEveryMs);
  return {
    async confirm(revision) {
      confirmedAtMs = monotonicMs();
      last = { revision, atMs: confirmedAtMs };
      if (isWriting) return;
      isWriting = true;
      try {
        // What was confirmed while the one before was on its way follows it.
        for (let now = last; isNews(); now = last) {
          await write({ revision: now.revision, confirmedAt: new Date(nowMs()).toISOString() });
          told = now;
        }
      } catch (error) {
        onFailure(error);
      } finally {
        isWriting = false;
      }
    },
    confirmedAtMs: () => confirmedAtMs,
  };
}
