// What Models say of a name that is none of them, where the catalogue is open: a backend may still read it as one of
// theirs. What it runs in that one's stead, and what it may not be sent, counts then too.

import { bareName } from "./pattern-set.ts";
import type { Catalogue, CatalogueModel } from "./snapshot.ts";

const none: readonly CatalogueModel[] = [];

/**
 * The Models whose word holds for what a backend runs that reads `name` as it stands: its own; without one, those that the
 * backend knows by this name or by what is left of it when a suffix is dropped (see `bareName`), and that Model itself.
 */
export function describedBy({ models }: Catalogue, name: string): readonly CatalogueModel[] {
  if (models.size === 0) return none;
  const own = models.get(name);
  if (own !== undefined) return [own];
  const byUpstream = upstreamIndexOf(models);
  const found = byUpstream.get(name) ?? none;
  const bare = bareName(name);
  if (bare === name) return found;
  const named = models.get(bare);
  const rest = byUpstream.get(bare) ?? none;
  return [...found, ...(named === undefined ? none : [named]), ...rest];
}

/** Of each catalogue, made once: the Models whose backend has another name for them, by that name. */
const upstreamIndexes = new WeakMap<Catalogue["models"], Map<string, CatalogueModel[]>>();

function upstreamIndexOf(models: Catalogue["models"]): ReadonlyMap<string, CatalogueModel[]> {
  const kept = upstreamIndexes.get(models);
  if (kept !== undefined) return kept;
  const index = new Map<string, CatalogueModel[]>();
  for (const model of models.values()) {
    if (model.upstreamName === model.name) continue;
    const others = index.get(model.upstreamName);
    if (others === undefined) index.set(model.upstreamName, [model]);
    else others.push(model);
  }
  upstreamIndexes.set(models, index);
  return index;
}
