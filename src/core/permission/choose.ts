// Which of the models that can run will: the lots of weighted aliases, kept by request, by key or by a header. Every one of
// them has been resolved before, and every one is authorized.

import { hash } from "node:crypto";
import { findAlias, type Lookup, type NameOrigin, originAfter } from "./alias-scope.ts";
import type { Alias, VirtualKey } from "./snapshot.ts";

/** What chooses among weighted targets. */
export type Lots = {
  /** In [0, 1): for aliases that are sticky by request. */
  readonly draw: number;
  readonly headers: ReadonlyMap<string, string>;
};

type Start = {
  readonly requested: string;
  readonly alias: Alias;
  readonly key: VirtualKey;
  readonly lots: Lots;
};

export function chooseModel(
  lookup: Lookup,
  { requested, alias: first, key, lots }: Start,
): { hops: readonly string[]; model: string } {
  const hops: string[] = [];
  let { draw } = lots;
  let model = requested;
  let origin: NameOrigin = "sent";
  for (let alias: Alias | undefined = first; alias !== undefined; ) {
    hops.push(model);
    const sticky = stickyDraw(alias, key, lots);
    const chosen = pick(alias, sticky ?? draw);
    if (sticky === undefined) draw = chosen.draw;
    model = chosen.model;
    origin = originAfter(alias, origin);
    alias = findAlias(lookup, model, origin);
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
