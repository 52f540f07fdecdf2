// Permission: every model that can run must be granted by the key AND by its team. Authorization reads the resolved
// models, so an alias cannot widen a grant, and an alias granted by name is a capability through that name only.

import type { DenyReason } from "../denials.ts";
import { matchesPatternSet } from "./pattern-set.ts";
import { type Lots, type Resolution, resolve } from "./resolve.ts";
import type { Grant, Snapshot, VirtualKey } from "./snapshot.ts";

export type Authorization =
  | { readonly ok: true; readonly resolution: Extract<Resolution, { ok: true }> }
  | { readonly ok: false; readonly reason: DenyReason; readonly trace: DenyTrace };

export type DenyTrace = {
  /** The model that was refused: the requested one or one that it can lead to. */
  readonly model: string;
  readonly hops: readonly string[];
  /** Whose grant it was that did not allow it; undefined where the name leads nowhere. */
  readonly refusedBy: "key" | "team" | undefined;
};

/** Resolves `requested` and checks all that it can lead to. There is no other way to an allow. */
export function authorizeModel(
  snapshot: Snapshot,
  key: VirtualKey,
  requested: string,
  lots: Lots,
): Authorization {
  const resolution = resolve(snapshot, key, requested, lots);
  if (!resolution.ok) {
    const { reason, model, hops } = resolution;
    return { ok: false, reason, trace: { model, hops, refusedBy: undefined } };
  }
  for (const [holder, grant] of effectiveGrants(key)) {
    const refusal = refusalOf(grant, requested, resolution);
    if (refusal !== undefined) {
      const trace = { model: refusal.model, hops: resolution.hops, refusedBy: holder };
      return { ok: false, reason: refusal.reason, trace };
    }
  }
  return { ok: true, resolution };
}

/** The grants that must all allow. A key with neither grant nor team gets an empty one, which allows nothing. */
function effectiveGrants(key: VirtualKey): readonly (readonly ["key" | "team", Grant])[] {
  const team = key.team?.team;
  if (key.team !== undefined && team === undefined) return [["team", emptyGrant]];
  const grants: ["key" | "team", Grant][] = [];
  if (key.grant !== undefined) grants.push(["key", key.grant]);
  if (team !== undefined) grants.push(["team", team.grant]);
  return grants.length === 0 ? [["key", emptyGrant]] : grants;
}

const emptyGrant: Grant = {
  models: { exact: new Set(), wildcards: [] },
  aliases: new Set(),
  deny: { exact: new Set(), wildcards: [] },
};

type Refusal = { readonly reason: "model_denied" | "model_not_granted"; readonly model: string };

function refusalOf(
  grant: Grant,
  requested: string,
  resolution: Extract<Resolution, { ok: true }>,
): Refusal | undefined {
  const { names, models, hops } = resolution;
  const denied = names.find((name) => matchesPatternSet(grant.deny, name));
  if (denied !== undefined) return { reason: "model_denied", model: denied };
  // The capability belongs to the name that the caller sent, and only where that name is an alias.
  if (hops.length > 0 && grant.aliases.has(requested)) return undefined;
  const missing = models.find((model) => !matchesPatternSet(grant.models, model));
  return missing === undefined ? undefined : { reason: "model_not_granted", model: missing };
}

/**
 * Who does not allow what a backend runs that reads `name` as it stands, as no alias of ours: the model of that name, or
 * those that the backend knows by it. undefined: it is granted.
 */
export function refuseRawModel(
  snapshot: Snapshot,
  key: VirtualKey,
  name: string,
): Pick<DenyTrace, "refusedBy"> | undefined {
  const entries = [...(snapshot.catalogue?.values() ?? [])].filter(
    ({ upstreamName }) => upstreamName === name,
  );
  // In a closed catalogue nothing else can run.
  const models = snapshot.catalogue === undefined ? [name] : entries.map((entry) => entry.name);
  for (const [refusedBy, grant] of effectiveGrants(key)) {
    const isGranted = models.some(
      (model) => matchesPatternSet(grant.models, model) && !matchesPatternSet(grant.deny, model),
    );
    if (!isGranted || matchesPatternSet(grant.deny, name)) return { refusedBy };
  }
  return undefined;
}
