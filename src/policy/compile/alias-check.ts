// Which aliases can never be used: cycles, chains that are too long, targets nobody knows. Says beforehand what
// core/resolve will refuse, with the members in order. Linear in the aliases; inner scopes reuse the outer verdicts.

import { findAlias, type Lookup, originAfter } from "../../core/permission/alias-scope.ts";
import { aliasHopsMax } from "../../core/permission/resolve.ts";
import type { Alias, AliasScope, Catalogue } from "../../core/permission/snapshot.ts";
import { spend, type Work } from "../../core/permission/work.ts";

export type AliasVerdict =
  | {
      readonly kind: "usable" /** Aliases on the longest way, itself included. */;
      readonly hops: number;
    }
  | {
      readonly kind: "cycle" /** The first members, in order. */;
      readonly members: readonly string[];
      readonly length: number;
    }
  | { readonly kind: "too_long" }
  | { readonly kind: "dangling"; readonly model: string };

export type AliasCheck = {
  /** The verdict on an alias, by its name as written, as seen from this scope; undefined when there is none. */
  readonly verdict: (name: string) => AliasVerdict | undefined;
  /** The first aliases, at most 9, of the longest chain that begins with this one. */
  readonly longestWay: (name: string) => readonly string[];
  /** The alias of this very name. */
  readonly find: (name: string) => Alias | undefined;
  readonly lookup: Lookup;
  /** Names that aliases in force here point to, one set per scope. */
  readonly targetNames: readonly ReadonlySet<string>[];
  readonly verdictOf: (node: Node) => AliasVerdict | undefined;
};

/** An alias on a way: what its targets are looked up among depends on whether a pattern came before. */
type Node = { readonly alias: Alias; readonly isPast: boolean };
type Frame = Node & { next: number; verdict: AliasVerdict };

/** Members of a cycle that are kept: each of 5,000 has a verdict of its own. */
export const cycleMembersMax = 10;

export type AliasCheckOptions = {
  readonly catalogue: Catalogue;
  /** Whether a name that is no alias can run. */
  readonly isServed: (model: string) => boolean;
  /** Of the scope that `own` shadows. */
  readonly outer?: AliasCheck | undefined;
  /** Shared by a whole compilation. What is beyond it counts as usable here, and is refused when it is asked for. */
  readonly work: Work;
};

export function createAliasCheck(own: AliasScope, options: AliasCheckOptions): AliasCheck {
  const { catalogue, isServed, outer, work } = options;
  const isEmpty = own.exact.size + own.byPrefix.size === 0;
  if (isEmpty && outer !== undefined) return outer;
  const lookup: Lookup = { scopes: [own, ...(outer?.lookup.scopes ?? [])], catalogue };
  const find = (name: string): Alias | undefined =>
    (name.endsWith("*") ? own.byPrefix.get(name.slice(0, -1)) : own.exact.get(name)) ??
    outer?.find(name);
  const isOwn = ({ name }: Alias): boolean =>
    name.endsWith("*") ? own.byPrefix.has(name.slice(0, -1)) : own.exact.has(name);
  // Unless an outer alias points to a name that is redefined here, nothing changes for the outer aliases. The default
  // takes only what callers send.
  const takesReached = own.prefixLengths.some((length) => length > 0);
  const outerHolds =
    outer !== undefined &&
    !takesReached &&
    !outer.targetNames.some((names) => intersects(own, names));
  const verdicts = createVerdicts();
  const verdictOf = (node: Node): AliasVerdict | undefined =>
    outerHolds && !isOwn(node.alias) ? outer.verdictOf(node) : verdicts.get(node);
  const below = (model: string, { alias, isPast }: Node): Node | undefined => {
    const origin = originAfter(alias, isPast ? "exact" : "reached");
    const found = findAlias(lookup, model, origin, work);
    return found && { alias: found, isPast: origin === "exact" };
  };
  const walk = (start: Node): AliasVerdict => {
    const stack: Frame[] = [];
    const open = createVerdicts<number>();
    const push = (node: Node): void => {
      open.set(node, stack.length);
      stack.push({ ...node, next: 0, verdict: { kind: "usable", hops: 1 } });
    };
    push(start);
    for (;;) {
      const frame = stack[stack.length - 1];
      if (frame === undefined) return verdicts.get(start) ?? { kind: "usable", hops: 1 };
      const target = frame.alias.targets[frame.next++];
      if (target === undefined || !spend(work, 1)) {
        verdicts.set(frame, frame.verdict);
        open.delete(frame);
        stack.pop();
        continue;
      }
      const node = below(target.model, frame);
      const openedAt = node && open.get(node);
      if (openedAt !== undefined) {
        const some = stack.slice(openedAt, openedAt + cycleMembersMax);
        const members = some.map(({ alias }) => alias.name);
        const length = stack.length - openedAt;
        frame.verdict = worse(frame.verdict, { kind: "cycle", members, length });
      } else if (node === undefined) {
        if (isServed(target.model)) continue;
        frame.verdict = worse(frame.verdict, { kind: "dangling", model: target.model });
      } else {
        const known = verdictOf(node);
        if (known === undefined) {
          frame.next--;
          push(node);
        } else frame.verdict = worse(frame.verdict, above(known));
      }
    }
  };
  const judge = (node: Node): AliasVerdict | undefined => {
    if (outerHolds && !isOwn(node.alias)) return outer.verdictOf(node);
    return verdicts.get(node) ?? walk(node);
  };
  const verdict = (name: string): AliasVerdict | undefined => {
    const alias = find(name);
    return alias && judge({ alias, isPast: false });
  };
  const targets = new Set<string>();
  for (const alias of [...own.exact.values(), ...own.byPrefix.values()]) {
    for (const { model } of alias.targets) targets.add(model);
  }
  const longestWay = (name: string): readonly string[] => {
    const alias = find(name);
    return alias === undefined ? [] : wayFrom({ alias, isPast: false }, { below, judge });
  };
  return {
    ...{ verdict, longestWay, find, lookup },
    targetNames: [...(outer?.targetNames ?? []), targets],
    verdictOf: judge,
  };
}

type Verdicts<T> = {
  readonly get: (node: Node) => T | undefined;
  readonly set: (node: Node, value: T) => void;
  readonly delete: (node: Node) => void;
};

function createVerdicts<T = AliasVerdict>(): Verdicts<T> {
  const past = new Map<Alias, T>();
  const fresh = new Map<Alias, T>();
  const of = ({ isPast }: Node): Map<Alias, T> => (isPast ? past : fresh);
  return {
    get: (node) => of(node).get(node.alias),
    set: (node, value) => of(node).set(node.alias, value),
    delete: (node) => of(node).delete(node.alias),
  };
}

function wayFrom(
  start: Node,
  {
    below,
    judge,
  }: {
    readonly below: (model: string, from: Node) => Node | undefined;
    readonly judge: (node: Node) => AliasVerdict | undefined;
  },
): readonly string[] {
  const way: string[] = [];
  for (let node: Node | undefined = start; node !== undefined && way.length <= aliasHopsMax; ) {
    way.push(node.alias.name);
    let longest = 0;
    let next: Node | undefined;
    for (const { model } of node.alias.targets) {
      const target = below(model, node);
      const hops = target === undefined ? 0 : hopsOf(judge(target));
      if (hops > longest) [longest, next] = [hops, target];
    }
    node = next;
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

function intersects({ exact }: AliasScope, names: ReadonlySet<string>): boolean {
  for (const name of exact.keys()) if (names.has(name)) return true;
  return false;
}
