// Grants and denials by name: exact names and `*` wildcards. What a wildcard may not grant although it would match: names
// that stand for other models, and names that a backend could read as another one.

import { hasPlainSegments } from "./model-name.ts";
import type { PatternSet } from "./snapshot.ts";
import { standInOf } from "./stand-in-models.ts";
import { matchesWildcard, stepsOf, toWildcard } from "./wildcard.ts";
import { spend, type Work } from "./work.ts";

/** Splits patterns into exact names and wildcards, dropping repetitions. */
export function toPatternSet(patterns: Iterable<string>): PatternSet {
  const exact = new Set<string>();
  const wildcards = new Set<string>();
  for (const pattern of patterns) (pattern.includes("*") ? wildcards : exact).add(pattern);
  const split = [...wildcards].map(toWildcard);
  const steps = split.reduce((sum, wildcard) => sum + stepsOf(wildcard), 0);
  return { exact, wildcards: split, steps };
}

/** Whether it is denied, under its own name or under the one that is left of it when a backend drops a suffix. */
export function isDenied(set: PatternSet, name: string, work: Work): boolean {
  if (matches(set, name, work)) return true;
  const bare = bareName(name);
  return bare !== name && matches(set, bare, work);
}

/** Whether one of the sets grants the model: by its exact name, or by a wildcard if it is what it says. */
export function isGranted(
  sets: readonly PatternSet[],
  { name, upstreamName }: { readonly name: string; readonly upstreamName: string },
  work: Work,
): boolean {
  // What runs out here is not granted, and the caller finds out that it ran out.
  if (!spend(work, sets.length)) return false;
  for (const { exact } of sets) if (exact.has(name)) return true;
  if (sets.every(({ wildcards }) => wildcards.length === 0)) return false;
  if (!isOneModel(name) || (upstreamName !== name && standInOf(upstreamName) !== undefined)) {
    return false;
  }
  const bare = bareName(name);
  return [name, ...(bare === name ? [] : [bare])].every((each) =>
    sets.some((set) => matchesWildcards(set, each, work)),
  );
}

/** Whether a wildcard may grant the name at all. */
export function isOneModel(name: string): boolean {
  return hasPlainSegments(name) && standInOf(name) === undefined;
}

/**
 * Some backends drop a suffix before they look a model up: LiteLLM 1.110 a `[1m]`, others whatever follows a `#`. Both
 * names must then be allowed, and neither denied.
 */
export function bareName(name: string): string {
  const hash = name.indexOf("#");
  let bare = hash > 0 ? name.slice(0, hash) : name;
  for (let at = bracketOf(bare); at > 0; at = bracketOf(bare)) bare = bare.slice(0, at).trimEnd();
  return bare;
}

function bracketOf(name: string): number {
  return name.endsWith("]") ? name.lastIndexOf("[") : -1;
}

function matches(set: PatternSet, name: string, work: Work): boolean {
  return set.exact.has(name) || matchesWildcards(set, name, work);
}

function matchesWildcards({ wildcards, steps }: PatternSet, name: string, work: Work): boolean {
  if (!spend(work, steps)) return false;
  return wildcards.some((wildcard) => matchesWildcard(wildcard, name));
}
