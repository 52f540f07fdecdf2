// Which aliases can never be used: cycles, chains that are too long, targets nobody knows. Says beforehand what
// core/resolve will refuse, with the members in order. Linear in the aliases; inner scopes reuse the outer verdicts.

import { aliasHopsMax } from "../../core/permission/resolve.ts";
import type { Alias, AliasScope } from "../../core/permission/snapshot.ts";

export type AliasVerdict =
  | {
      readonly kind: "usable" /** Aliases on the longest way, itself included. */;
      readonly hops: number;
    }
  | { readonly kind: "cycle"; readonly members: readonly string[] }
  | { readonly kind: "too_long" }
  | { readonly kind: "dangling"; readonly model: string };

export type AliasCheck = {
  /** The verdict on a name as seen from this scope; undefined when it is no alias there. */
  readonly verdict: (name: string) => AliasVerdict | undefined;
  /** The first aliases, at most 9, of the longest chain that begins with this one. */
  readonly longestWay: (name: string) => readonly string[];
  readonly find: (name: string) => Alias | undefined;
  /** Names that aliases in force here point to, one set per scope. */
  readonly targetNames: readonly ReadonlySet<string>[];
};

type Frame = { readonly alias: Alias; next: number; verdict: AliasVerdict };

/** `isServed`: whether a name that is no alias can run. `outer`: the scope that `own` shadows. */
export function createAliasCheck(
  own: AliasScope,
  isServed: (model: string) => boolean,
  outer?: AliasCheck,
): AliasCheck {
  if (own.size === 0 && outer !== undefined) return outer;
  const find = (name: string): Alias | undefined => own.get(name) ?? outer?.find(name);
  const verdicts = new Map<string, AliasVerdict>();
  // Unless an outer alias points to a name that is redefined here, nothing changes for the outer aliases.
  const outerHolds =
    outer !== undefined && !outer.targetNames.some((names) => intersects(own, names));
  const verdict = (name: string): AliasVerdict | undefined => {
    if (outerHolds && !own.has(name)) return outer.verdict(name);
    const start = find(name);
    if (start === undefined) return undefined;
    return verdicts.get(name) ?? walk(start);
  };
  const walk = (start: Alias): AliasVerdict => {
    const stack: Frame[] = [];
    const open = new Map<string, number>();
    const push = (alias: Alias): void => {
      open.set(alias.name, stack.length);
      stack.push({ alias, next: 0, verdict: { kind: "usable", hops: 1 } });
    };
    push(start);
    for (;;) {
      const frame = stack[stack.length - 1];
      if (frame === undefined) return verdicts.get(start.name) ?? { kind: "usable", hops: 1 };
      const target = frame.alias.targets[frame.next++];
      if (target === undefined) {
        verdicts.set(frame.alias.name, frame.verdict);
        open.delete(frame.alias.name);
        stack.pop();
        continue;
      }
      const openedAt = open.get(target.model);
      const below = find(target.model);
      if (openedAt !== undefined) {
        const members = stack.slice(openedAt).map(({ alias }) => alias.name);
        frame.verdict = worse(frame.verdict, { kind: "cycle", members });
      } else if (below === undefined) {
        if (isServed(target.model)) continue;
        frame.verdict = worse(frame.verdict, { kind: "dangling", model: target.model });
      } else {
        const known =
          outerHolds && !own.has(target.model)
            ? outer.verdict(target.model)
            : verdicts.get(target.model);
        if (known === undefined) {
          frame.next--;
          push(below);
        } else frame.verdict = worse(frame.verdict, above(known));
      }
    }
  };
  const targets = new Set<string>();
  for (const alias of own.values()) for (const { model } of alias.targets) targets.add(model);
  const longestWay = (name: string): readonly string[] => wayFrom(name, { verdict, find });
  return { verdict, longestWay, find, targetNames: [...(outer?.targetNames ?? []), targets] };
}

function wayFrom(
  start: string,
  { verdict, find }: Pick<AliasCheck, "verdict" | "find">,
): readonly string[] {
  const way: string[] = [];
  for (let name: string | undefined = start; name !== undefined && way.length <= aliasHopsMax; ) {
    way.push(name);
    let longest = 0;
    let next: string | undefined;
    for (const { model } of find(name)?.targets ?? []) {
      const hops = hopsOf(verdict(model));
      if (hops > longest) [longest, next] = [hops, model];
    }
    name = next;
  }
  return way;
}

/** 0 where it is no alias, or one that leads nowhere. */
function hopsOf(verdict: AliasVerdict | undefined): number {
  if (verdict === undefined) return 0;
  if (verdict.kind === "usable") return verdict.hops;
  return verdict.kind === "too_long" ? aliasHopsMax + 1 : 0;
}

/** The verdict on an alias that has a target with the verdict `below`. */
function above(below: AliasVerdict): AliasVerdict {
  if (below.kind !== "usable") return below;
  const hops = below.hops + 1;
  return hops > aliasHopsMax ? { kind: "too_long" } : { kind: "usable", hops };
}

const order = { cycle: 0, dangling: 1, too_long: 2, usable: 3 };

function worse(a: AliasVerdict, b: AliasVerdict): AliasVerdict {
  if (a.kind === "usable" && b.kind === "usable") return a.hops >= b.hops ? a : b;
  return order[a.kind] <= order[b.kind] ? a : b;
}

function intersects(scope: AliasScope, names: ReadonlySet<string>): boolean {
  for (const name of scope.keys()) if (names.has(name)) return true;
  return false;
}
