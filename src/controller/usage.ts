// How many VirtualKeys can use each ModelAlias, counted one alias at a time: whoever asks decides when it costs.

import { findAlias, isEmptyScope, lookupOf } from "../core/permission/alias-scope.ts";
import { authorizeModel } from "../core/permission/authorize.ts";
import type { Grant, Team, VirtualKey } from "../core/permission/snapshot.ts";
import { createWork, decisionStepsMax, spend } from "../core/permission/work.ts";
import type { CompiledPolicy } from "../policy/compile/compile.ts";

/** Pairs of an alias and a class of keys that are looked at in all; beyond, nothing is counted. */
export const usagePairsMax = 1_000_000;

/** Steps of counting one alias: what needs more is not counted. */
export const usageStepsMax = 2_000_000;

/** By metadata.name of the ModelAlias; undefined: it would take too long. */
export type UsageCounter = (name: string) => number | undefined;

/**
 * Counts the keys that are valid at `nowMs`, reach this very object by its alias and are granted what it leads to. Keys
 * with one grant, one team and no aliases of their own are alike and looked at once. undefined: too many to count.
 */
export function createUsageCounter(
  { snapshot, admitted }: CompiledPolicy,
  nowMs: number,
): UsageCounter | undefined {
  const classes = classesOf(validKeys(snapshot, nowMs));
  if (classes.length * admitted.length > usagePairsMax) return undefined;
  const aliases = new Map(admitted.map(([{ name }, alias]) => [name, alias]));
  const lots = { draw: 0, headers: new Map<string, string>() };
  return (name) => {
    const alias = aliases.get(name);
    if (alias === undefined) return 0;
    // A pattern is asked for by the shortest of its names.
    const requested = alias.name.replace("*", "") || "*";
    const all = createWork(usageStepsMax);
    let count = 0;
    for (const { key, keys } of classes) {
      if (all.stepsLeft < 0) return undefined;
      const work = createWork(decisionStepsMax);
      const isReached = findAlias(lookupOf(snapshot, key), requested) === alias;
      if (isReached && authorizeModel(snapshot, key, { requested, lots, work }).ok) count += keys;
      spend(all, decisionStepsMax - work.stepsLeft);
    }
    return count;
  };
}

/** How long a count of a Team's keys holds, in ms: keys expire by themselves. */
const keyCountMs = 10_000;

/** How many keys of a Team are valid at a time; all Teams are counted at once. */
export function createKeyCounter({
  snapshot,
}: CompiledPolicy): (team: string, nowMs: number) => number {
  let counted: { readonly atMs: number; readonly byTeam: ReadonlyMap<string, number> } | undefined;
  return (team, nowMs) => {
    if (counted === undefined || Math.abs(nowMs - counted.atMs) >= keyCountMs) {
      const byTeam = new Map<string, number>();
      for (const key of validKeys(snapshot, nowMs)) {
        const name = key.team?.name;
        if (name !== undefined) byTeam.set(name, (byTeam.get(name) ?? 0) + 1);
      }
      counted = { atMs: nowMs, byTeam };
    }
    return counted.byTeam.get(team) ?? 0;
  };
}

/** Each once, though a rotation leaves two digests of it. */
function validKeys({ keys }: CompiledPolicy["snapshot"], nowMs: number): ReadonlySet<VirtualKey> {
  const valid = new Set<VirtualKey>();
  for (const { key } of keys.values()) {
    const { notBeforeMs = nowMs, expiresAtMs = nowMs + 1 } = key;
    const isOff = key.disabled || key.team?.team?.disabled === true;
    if (!isOff && notBeforeMs <= nowMs && nowMs < expiresAtMs) valid.add(key);
  }
  return valid;
}

type KeyClass = { readonly key: VirtualKey; keys: number };

function classesOf(valid: ReadonlySet<VirtualKey>): readonly KeyClass[] {
  const classes: KeyClass[] = [];
  const alike = new Map<Grant | undefined, Map<Team | undefined, KeyClass>>();
  for (const key of valid) {
    // Of a team that is not there: it can use nothing.
    if (key.team !== undefined && key.team.team === undefined) continue;
    const byTeam = alike.get(key.grant) ?? new Map<Team | undefined, KeyClass>();
    alike.set(key.grant, byTeam);
    const known = isEmptyScope(key.aliases) ? byTeam.get(key.team?.team) : undefined;
    if (known !== undefined) {
      known.keys += 1;
      continue;
    }
    const fresh = { key, keys: 1 };
    classes.push(fresh);
    if (isEmptyScope(key.aliases)) byTeam.set(key.team?.team, fresh);
  }
  return classes;
}

/** A number that is not known is left out. */
export function withUsage<S extends { readonly usableByKeys?: number }>(
  status: S,
  usableByKeys: number | undefined,
): S {
  const { usableByKeys: _, ...rest } = status;
  return (usableByKeys === undefined ? rest : { ...rest, usableByKeys }) as S;
}
