// Grants and denials by name: exact names and `*` wildcards. Anchored, case-sensitive, everything but `*` literal.

import type { PatternSet } from "./snapshot.ts";

/** Splits patterns into exact names and wildcards, dropping repetitions. */
export function toPatternSet(patterns: Iterable<string>): PatternSet {
  const exact = new Set<string>();
  const wildcards = new Set<string>();
  for (const pattern of patterns) (pattern.includes("*") ? wildcards : exact).add(pattern);
  return { exact, wildcards: [...wildcards] };
}

export function matchesPatternSet(set: PatternSet, name: string): boolean {
  return set.exact.has(name) || set.wildcards.some((pattern) => matchesWildcard(pattern, name));
}

/** `*` stands for any run of characters, "/" included. Takes pattern length x name length steps at most. */
export function matchesWildcard(pattern: string, name: string): boolean {
  let at = 0;
  let star = -1;
  let resumeAt = 0;
  let patternAt = 0;
  while (at < name.length) {
    if (pattern[patternAt] === "*") {
      star = patternAt++;
      resumeAt = at;
    } else if (pattern[patternAt] === name[at]) {
      patternAt++;
      at++;
    } else if (star >= 0) {
      patternAt = star + 1;
      at = ++resumeAt;
    } else {
      return false;
    }
  }
  while (pattern[patternAt] === "*") patternAt++;
  return patternAt === pattern.length;
}
