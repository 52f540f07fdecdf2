// Requested model -> every model that can run, and the one that will. Aliases are looked up first, at every hop:
// the key's own, then the team's, then everybody's.

import { hash } from "node:crypto";
import type { Alias, AliasScope, Snapshot, VirtualKey } from "./snapshot.ts";

/** Most aliases on the way from the requested name to a model: a chain of 8 works, one of 9 does not. */
export const aliasHopsMax = 8;

export type Resolution =
  | {
      readonly ok: true;
      /** Aliases on the chosen way, the requested name first; empty when it was no alias. */
      readonly hops: readonly string[];
      /** The model that will run. */
      readonly model: string;
      /** Every model that could have been chosen; each must be granted. */
      readonly models: readonly string[];
      /** Every name that can be passed, requested name and models included: what `deny` is matched against. */
      readonly names: readonly string[];
    }
  | {
      readonly ok: false;
      /** `alias_unusable`: a cycle, a chain too long, or an alias with a target nobody knows. */
      readonly reason: "alias_unusable" | "model_unknown";
      readonly model: string;
      readonly hops: readonly string[];
    };

/** What chooses among weighted targets. */
export type Lots = {
  /** In [0, 1): for aliases that are sticky by request. */
  readonly draw: number;
  readonly headers: ReadonlyMap<string, string>;
};

type Scopes = readonly AliasScope[];

/** Resolves `requested` for `key`. Looks at no name twice in one level, so hostile policies cost at most 9 passes. */
export function resolve(
  snapshot: Snapshot,
  key: VirtualKey,
  requested: string,
  lots: Lots,
): Resolution {
  const scopes = aliasScopes(snapshot, key);
  const alias = findAlias(scopes, requested);
  if (alias === undefined) {
    if (!isServed(snapshot, requested)) {
      return { ok: false, reason: "model_unknown", model: requested, hops: [] };
    }
    return { ok: true, hops: [], model: requested, models: [requested], names: [requested] };
  }
  const reach = reachOf(scopes, alias);
  if (!reach.ok) {
    return { ok: false, reason: "alias_unusable", model: reach.name, hops: [requested] };
  }
  for (const model of reach.models) {
    if (!isServed(snapshot, model)) {
      return { ok: false, reason: "alias_unusable", model, hops: [requested] };
    }
  }
  const { hops, model } = choose(scopes, alias, { key, lots });
  return { ok: true, hops, model, models: [...reach.models], names: [...reach.names] };
}

/** The scopes in which `key` looks names up, nearest first. */
export function aliasScopes(snapshot: Snapshot, key: VirtualKey): Scopes {
  const team = key.team?.team;
  return team === undefined
    ? [key.aliases, snapshot.aliases]
    : [key.aliases, team.aliases, snapshot.aliases];
}

export function findAlias(scopes: Scopes, name: string): Alias | undefined {
  for (const scope of scopes) {
    const alias = scope.get(name);
    if (alias !== undefined) return alias;
  }
  return undefined;
}

/** Whether a name that is no alias can run at all: anything while the catalogue is open. */
function isServed(snapshot: Snapshot, model: string): boolean {
  return snapshot.catalogue === undefined || snapshot.catalogue.has(model);
}

type Reach =
  | { readonly ok: true; readonly models: ReadonlySet<string>; readonly names: ReadonlySet<string> }
  | { readonly ok: false; readonly name: string };

/** Goes level by level, so that a cycle is merely a chain that is too long. */
function reachOf(scopes: Scopes, start: Alias): Reach {
  const models = new Set<string>();
  const names = new Set<string>([start.name]);
  let level: readonly Alias[] = [start];
  for (let hops = 1; level.length > 0; hops++) {
    const next = new Map<string, Alias>();
    for (const { targets } of level) {
      for (const { model } of targets) {
        names.add(model);
        const alias = findAlias(scopes, model);
        if (alias === undefined) models.add(model);
        else if (hops >= aliasHopsMax) return { ok: false, name: model };
        else next.set(model, alias);
      }
    }
    level = [...next.values()];
  }
  // An alias always has a target; one without would otherwise be allowed for want of a model to refuse.
  return models.size === 0 ? { ok: false, name: start.name } : { ok: true, models, names };
}

function choose(
  scopes: Scopes,
  start: Alias,
  { key, lots }: { key: VirtualKey; lots: Lots },
): { hops: readonly string[]; model: string } {
  const hops: string[] = [];
  let { draw } = lots;
  let model = start.name;
  for (let alias: Alias | undefined = start; alias !== undefined; ) {
    hops.push(model);
    const sticky = stickyDraw(alias, key, lots);
    const chosen = pick(alias, sticky ?? draw);
    if (sticky === undefined) draw = chosen.draw;
    model = chosen.model;
    alias = findAlias(scopes, model);
  }
  return { hops, model };
}

/** What is left of the draw is again uniform in [0, 1), so that weights further down keep their meaning. */
function pick(alias: Alias, draw: number): { model: string; draw: number } {
  const total = alias.targets.reduce((sum, target) => sum + target.weight, 0);
  let rest = draw * total;
  for (const { model, weight } of alias.targets) {
    if (rest < weight) return { model, draw: rest / weight };
    rest -= weight;
  }
  // Rounding can leave the draw at the very end: then it is the last target's.
  const last = alias.targets[alias.targets.length - 1];
  return { model: last === undefined ? alias.name : last.model, draw };
}

/** undefined: sticky by request, or by a header that this request lacks. */
function stickyDraw(alias: Alias, key: VirtualKey, lots: Lots): number | undefined {
  if (alias.targets.length === 1) return undefined;
  switch (alias.stickyBy.kind) {
    case "request":
      return undefined;
    case "key":
      return uniformOf(`key\n${alias.name}\n${key.name}`);
    case "header": {
      const value = lots.headers.get(alias.stickyBy.name);
      return value === undefined ? undefined : uniformOf(`header\n${alias.name}\n${value}`);
    }
    default:
      return alias.stickyBy satisfies never;
  }
}

/** 48 bits of SHA-256 as a number in [0, 1): the same text, the same target, on every replica. */
function uniformOf(text: string): number {
  return Number.parseInt(hash("sha256", text, "hex").slice(0, 12), 16) / 2 ** 48;
}
