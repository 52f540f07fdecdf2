// Requested model -> every model that can run, and the one that will. Aliases are looked up first, at every hop; what a
// backend may run in the stead of a model is declared by that model, and counts as well.

import { findAlias, type Lookup, lookupOf, type NameOrigin, originAfter } from "./alias-scope.ts";
import { chooseModel, type Lots } from "./choose.ts";
import { describedBy } from "./descriptions.ts";
import type { Alias, Catalogue, Snapshot, VirtualKey } from "./snapshot.ts";
import { spend, type Work } from "./work.ts";

export type { Lots };

/** Most aliases on the way from the requested name to a model: a chain of 8 works, one of 9 does not. */
export const aliasHopsMax = 8;

export type Resolution =
  | {
      readonly ok: true;
      /** The alias that took the requested name, as written; undefined when it was none. */
      readonly alias: string | undefined;
      /** Names of aliases on the chosen way, the requested name first; empty when it was no alias. */
      readonly hops: readonly string[];
      /** The model that will run. */
      readonly model: string;
      /** Every model that could have been chosen. */
      readonly choices: readonly string[];
      /** Those, and every fallback that one of them declares, at whatever remove; each must be granted. */
      readonly models: readonly string[];
      /** Every name that can be passed, requested name and models included: what `deny` is matched against. */
      readonly names: readonly string[];
    }
  | UnresolvedModel;

export type UnresolvedModel = {
  readonly ok: false;
  /**
   * `alias_unusable`: a cycle, a chain too long, or an alias with a target nobody knows. `fallback_unknown`: a model
   * declares a fallback that the closed catalogue does not hold. `policy_too_complex`: it leads to too much.
   */
  readonly reason: "alias_unusable" | "model_unknown" | "fallback_unknown" | "policy_too_complex";
  readonly model: string;
  readonly hops: readonly string[];
};

/** Resolves `requested` for `key`. Looks at no name twice in one level, and never at more than `work` allows. */
export function resolve(
  snapshot: Snapshot,
  key: VirtualKey,
  { requested, lots, work }: { requested: string; lots: Lots; work: Work },
): Resolution {
  const lookup = lookupOf(snapshot, key);
  const { catalogue } = snapshot;
  const alias = findAlias(lookup, requested, "sent", work);
  const hops = alias === undefined ? [] : [requested];
  const no = (reason: UnresolvedModel["reason"], model: string): UnresolvedModel => {
    // What was not looked at to the end is not known.
    const known = work.stepsLeft < 0 ? "policy_too_complex" : reason;
    return { ok: false, reason: known, model, hops };
  };
  const reach =
    alias === undefined ? reachOfModel(requested) : reachOf(lookup, { requested, alias, work });
  if (!reach.ok) return no("alias_unusable", reach.name);
  const choices = [...reach.models];
  const unserved = choices.find((model) => !isServed(catalogue, model));
  if (unserved !== undefined) {
    return no(alias === undefined ? "model_unknown" : "alias_unusable", unserved);
  }
  const missing = addFallbacks(catalogue, reach, work);
  if (missing !== undefined) return no("fallback_unknown", missing);
  if (work.stepsLeft < 0) return no("policy_too_complex", requested);
  const models = [...reach.models];
  const names = [...reach.names];
  if (alias === undefined) {
    return { ok: true, alias, hops, model: requested, choices, models, names };
  }
  const chosen = chooseModel(lookup, { requested, alias, key, lots });
  return { ok: true, alias: alias.name, ...chosen, choices, models, names };
}

/** Whether a name that is no alias can run at all: anything while the catalogue is open. */
export function isServed({ closed, models }: Catalogue, model: string): boolean {
  return !closed || models.has(model);
}

type Reach =
  | { readonly ok: true; readonly models: Set<string>; readonly names: Set<string> }
  | { readonly ok: false; readonly name: string };

function reachOfModel(model: string): Extract<Reach, { ok: true }> {
  return { ok: true, models: new Set([model]), names: new Set([model]) };
}

type Reached = { readonly alias: Alias; readonly origin: NameOrigin };

/** Goes level by level, so that a cycle is merely a chain that is too long. */
export function reachOf(
  lookup: Lookup,
  { requested, alias, work }: { requested: string; alias: Alias; work: Work },
): Reach {
  const models = new Set<string>();
  const names = new Set<string>([requested]);
  let level: readonly Reached[] = [{ alias, origin: "sent" }];
  for (let hops = 1; level.length > 0; hops++) {
    const next = new Map<string, Reached>();
    for (const from of level) {
      const origin = originAfter(from.alias, from.origin);
      for (const { model } of from.alias.targets) {
        if (!spend(work, 1)) return { ok: false, name: requested };
        names.add(model);
        const found = findAlias(lookup, model, origin, work);
        if (found === undefined) models.add(model);
        else if (hops >= aliasHopsMax) return { ok: false, name: model };
        else next.set(`${origin} ${model}`, { alias: found, origin });
      }
    }
    level = [...next.values()];
  }
  // An alias always has a target; one without would otherwise be allowed for want of a model to refuse.
  return models.size === 0 ? { ok: false, name: requested } : { ok: true, models, names };
}

/** A model and what its backend may run in its stead, at whatever remove. */
export function runnableWith(catalogue: Catalogue, model: string, work: Work): readonly string[] {
  const reach = reachOfModel(model);
  addFallbacks(catalogue, reach, work);
  return [...reach.models];
}

/** Adds what the models declare, each once, and under which names; gives the first that cannot run. */
function addFallbacks(
  catalogue: Catalogue,
  { models, names }: Extract<Reach, { ok: true }>,
  work: Work,
): string | undefined {
  if (catalogue.models.size === 0) return undefined;
  // What is added on the way comes up in turn.
  for (const model of models) {
    for (const { name, fallbacks } of describedBy(catalogue, model)) {
      // One without fallbacks costs something too: many may be known by one name.
      if (!spend(work, 1 + fallbacks.length)) return undefined;
      names.add(name);
      for (const fallback of fallbacks) {
        if (!isServed(catalogue, fallback)) return fallback;
        models.add(fallback);
        names.add(fallback);
      }
    }
  }
  return undefined;
}
