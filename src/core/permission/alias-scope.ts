// Looking names up among aliases: the exact ones by a hash, those that end in `*` by the longest beginning. Fast however
// many there are.

import type { Alias, AliasScope, Catalogue, Snapshot, VirtualKey } from "./snapshot.ts";
import { spend, type Work } from "./work.ts";

export const noAliases: AliasScope = createAliasScope([]);

/** Of two aliases with one name the later counts. */
export function createAliasScope(aliases: Iterable<Alias>): AliasScope {
  const exact = new Map<string, Alias>();
  const byPrefix = new Map<string, Alias>();
  for (const alias of aliases) {
    const { name } = alias;
    if (name.endsWith("*")) byPrefix.set(name.slice(0, -1), alias);
    else exact.set(name, alias);
  }
  const lengths = new Set([...byPrefix.keys()].map(({ length }) => length));
  return { exact, byPrefix, prefixLengths: [...lengths].sort((a, b) => b - a) };
}

/** Every alias of a scope, by its name as written. */
export function* aliasesIn({ exact, byPrefix }: AliasScope): Generator<Alias> {
  yield* exact.values();
  yield* byPrefix.values();
}

export function isEmptyScope({ exact, byPrefix }: AliasScope): boolean {
  return exact.size + byPrefix.size === 0;
}

/** Where names are looked up for one key: its own aliases, its team's, everybody's. */
export type Lookup = {
  /** Nearest first; the last one is everybody's. */
  readonly scopes: readonly AliasScope[];
  readonly catalogue: Catalogue;
};

export function lookupOf(snapshot: Snapshot, key: VirtualKey): Lookup {
  const team = key.team?.team;
  const { aliases, catalogue } = snapshot;
  return team === undefined
    ? { scopes: [key.aliases, aliases], catalogue }
    : { scopes: [key.aliases, team.aliases, aliases], catalogue };
}

/**
 * Which aliases take a name. `sent`: all, for it is what the caller sent. `reached`: an alias leads to it, and all but the
 * default `*` take it, which is for names that callers make up. `exact`: a pattern led to it; one is enough on one way, and
 * the model that a pattern stands for is often named like it.
 */
export type NameOrigin = "sent" | "reached" | "exact";

/** The nearest scope first; in each the exact alias, then the pattern that has most in common with the name. */
export function findAlias(
  { scopes, catalogue }: Lookup,
  name: string,
  origin: NameOrigin = "sent",
  work?: Work,
): Alias | undefined {
  for (const [at, scope] of scopes.entries()) {
    const exact = scope.exact.get(name);
    if (exact !== undefined) return exact;
    if (origin === "exact" || scope.prefixLengths.length === 0) continue;
    // What the catalogue calls a model is one: only a key or a team can say otherwise for itself.
    if (at === scopes.length - 1 && catalogue.models.has(name)) continue;
    if (work !== undefined) spend(work, scope.prefixLengths.length);
    const pattern = longestPattern(scope, name, origin);
    if (pattern !== undefined) return pattern;
  }
  return undefined;
}

/** The origin of the names that `alias` leads to. */
export function originAfter({ name }: Alias, origin: NameOrigin): NameOrigin {
  return origin === "exact" || name.endsWith("*") ? "exact" : "reached";
}

function longestPattern(
  { byPrefix, prefixLengths }: AliasScope,
  name: string,
  origin: NameOrigin,
): Alias | undefined {
  for (const length of prefixLengths) {
    if (length > name.length || (length === 0 && origin !== "sent")) continue;
    const alias = byPrefix.get(name.slice(0, length));
    if (alias !== undefined) return alias;
  }
  return undefined;
}
