// Permission: every model that can run must be granted by the key AND by its team. Authorization reads the resolved
// models, so an alias cannot widen a grant, and an alias granted by name is a capability through that name only.

import type { DenyReason } from "../denials.ts";
import { isDenied, isGranted, toPatternSet } from "./pattern-set.ts";
import { type Lots, type Resolution, resolve, runnableWith } from "./resolve.ts";
import type { Catalogue, Grant, Snapshot, VirtualKey } from "./snapshot.ts";
import { spend, type Work } from "./work.ts";

export type Resolved = Extract<Resolution, { ok: true }>;

export type Authorization =
  | { readonly ok: true; readonly resolution: Resolved }
  | { readonly ok: false; readonly reason: DenyReason; readonly trace: DenyTrace };

export type DenyTrace = {
  /** The model that was refused: the requested one or one that it can lead to. */
  readonly model: string;
  readonly hops: readonly string[];
  /** Whose grant it was that did not allow it; undefined where the name leads nowhere. */
  readonly refusedBy: "key" | "team" | undefined;
};

/** What is asked: a name, the lots that choose among weighted targets, and how much may be done to find out. */
export type ModelRequest = {
  readonly requested: string;
  readonly lots: Lots;
  readonly work: Work;
};

/** Resolves `requested` and checks all that it can lead to. There is no other way to an allow. */
export function authorizeModel(
  snapshot: Snapshot,
  key: VirtualKey,
  request: ModelRequest,
): Authorization {
  const { requested, work } = request;
  const resolution = resolve(snapshot, key, request);
  if (!resolution.ok) {
    const { reason, model, hops } = resolution;
    return { ok: false, reason, trace: { model, hops, refusedBy: undefined } };
  }
  for (const [holder, grant] of effectiveGrants(key)) {
    const refusal = refusalOf(grant, resolution, { catalogue: snapshot.catalogue, work });
    // What was matched after the last step is not known.
    if (work.stepsLeft < 0) {
      const trace = { model: requested, hops: resolution.hops, refusedBy: holder };
      return { ok: false, reason: "policy_too_complex", trace };
    }
    if (refusal !== undefined) {
      const trace = { model: refusal.model, hops: resolution.hops, refusedBy: holder };
      return { ok: false, reason: refusal.reason, trace };
    }
  }
  return { ok: true, resolution };
}

/** The grants that must all allow. A key with neither grant nor team gets an empty one, which allows nothing. */
export function effectiveGrants(
  key: VirtualKey,
): readonly (readonly [holder: "key" | "team", grant: Grant])[] {
  const team = key.team?.team;
  if (key.team !== undefined && team === undefined) return [["team", emptyGrant]];
  const grants: ["key" | "team", Grant][] = [];
  if (key.grant !== undefined) grants.push(["key", key.grant]);
  if (team !== undefined) grants.push(["team", team.grant]);
  return grants.length === 0 ? [["key", emptyGrant]] : grants;
}

const emptyGrant: Grant = { models: [], aliases: new Set(), deny: toPatternSet([]) };

type Refusal = { readonly reason: "model_denied" | "model_not_granted"; readonly model: string };

function refusalOf(
  grant: Grant,
  { alias, names, models }: Resolved,
  { catalogue, work }: { readonly catalogue: Catalogue; readonly work: Work },
): Refusal | undefined {
  // Every name costs something, be there a pattern or not: lists of them are walked.
  if (!spend(work, names.length)) return undefined;
  const denied = names.find((name) => isDenied(grant.deny, name, work));
  if (denied !== undefined) return { reason: "model_denied", model: denied };
  // The capability belongs to the alias that took the caller's name, and to it alone.
  if (alias !== undefined && grant.aliases.has(alias)) return undefined;
  const missing = models.find((name) => {
    const upstreamName = catalogue.models.get(name)?.upstreamName ?? name;
    return !isGranted(grant.models, { name, upstreamName }, work);
  });
  return missing === undefined ? undefined : { reason: "model_not_granted", model: missing };
}

/**
 * Who does not allow what a backend runs that reads `name` as it stands, as no alias of ours: the model of that name, or
 * those that the backend knows by it. undefined: it is granted.
 */
export function refuseRawModel(
  { catalogue }: Snapshot,
  key: VirtualKey,
  { name, work }: { readonly name: string; readonly work: Work },
): Pick<DenyTrace, "refusedBy"> | undefined {
  const { closed, models } = catalogue;
  if (!spend(work, models.size)) return { refusedBy: undefined };
  const known = [...models.values()].filter(({ upstreamName }) => upstreamName === name);
  // In a closed catalogue nothing else can run, and a catalogued model of that name has another one there.
  const isItself = !closed && !models.has(name);
  const candidates = [...known.map((entry) => entry.name), ...(isItself ? [name] : [])];
  for (const [refusedBy, grant] of effectiveGrants(key)) {
    const isAllowed = (model: string): boolean =>
      isGranted(grant.models, { name: model, upstreamName: name }, work) &&
      !isDenied(grant.deny, model, work);
    const mayRun = candidates.some((model) =>
      runnableWith(catalogue, model, work).every(isAllowed),
    );
    if (!mayRun || isDenied(grant.deny, name, work) || work.stepsLeft < 0) return { refusedBy };
  }
  return undefined;
}
