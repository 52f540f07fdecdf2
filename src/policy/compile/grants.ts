// GrantSpec -> Grant: access groups expanded, equal parts compiled once and shared, and the advice that a reader of a
// grant would give.

import { toPatternSet } from "../../core/permission/pattern-set.ts";
import type { Grant, PatternSet } from "../../core/permission/snapshot.ts";
import type {
  AccessGroupResource,
  GrantSpec,
  TeamResource,
  VirtualKeyResource,
} from "../resources.ts";
import type { AliasCheck } from "./alias-check.ts";
import type { CompileContext } from "./context.ts";

export type Groups = ReadonlyMap<string, AccessGroupResource>;
type Holder = TeamResource | VirtualKeyResource;

export type GrantCompiler = (spec: GrantSpec, holder: Holder, context: CompileContext) => Grant;

/** Ten thousand keys that use one group of a thousand models share one set of them. */
export function createGrantCompiler(groups: Groups): GrantCompiler {
  const patternSets = new Map<string, PatternSet>();
  const aliasSets = new Map<string, ReadonlySet<string>>();
  const grants = new Map<string, Grant>();
  const patternSetOf = (models: readonly string[], groupNames: readonly string[]): PatternSet =>
    shared(patternSets, JSON.stringify([models, groupNames]), () => {
      const expanded = groupNames.flatMap((name) => groups.get(name)?.models ?? []);
      return toPatternSet([...models, ...expanded]);
    });
  return (spec, holder, { report }) => {
    for (const [index, name] of spec.groups.entries()) {
      if (groups.has(name)) continue;
      const path = ["spec", "grants", "groups", index];
      const message = `there is no AccessGroup ${name}: it grants nothing`;
      report("disabled", holder, path, message, "group_not_found");
    }
    const { models, aliases, groups: groupNames, deny } = spec;
    return shared(grants, JSON.stringify([models, aliases, groupNames, deny]), () => ({
      models: patternSetOf(models, groupNames),
      aliases: shared(aliasSets, JSON.stringify(aliases), () => new Set(aliases)),
      deny: patternSetOf(deny, []),
    }));
  };
}

function shared<T>(known: Map<string, T>, content: string, compile: () => T): T {
  const found = known.get(content) ?? compile();
  known.set(content, found);
  return found;
}

/** What works, but perhaps not as meant. */
export function adviseOnGrant(
  spec: GrantSpec,
  holder: Holder,
  {
    aliases,
    catalogue,
    context: { report },
  }: {
    readonly aliases: AliasCheck;
    readonly catalogue: ReadonlyMap<string, unknown> | undefined;
    readonly context: CompileContext;
  },
): void {
  const grants = ["spec", "grants"];
  if (spec.models.length + spec.aliases.length + spec.groups.length === 0) {
    const message =
      spec.deny.length > 0
        ? "it only denies: without models, aliases or groups nothing can be used"
        : `it grants nothing: this ${holder.kind} can use nothing`;
    report("advice", holder, grants, message);
  }
  for (const [index, name] of spec.models.entries()) {
    const path = [...grants, "models", index];
    if (name === "*" && catalogue === undefined) {
      report("advice", holder, path, "without any Model, * grants every model there will ever be");
    }
    if (catalogue?.has(name) !== true && aliases.find(name) !== undefined) {
      const message = `${name} is an alias: granting it as a model buys nothing; use grants.aliases`;
      report("advice", holder, path, message);
    }
  }
  for (const [index, name] of spec.aliases.entries()) {
    if (aliases.find(name) !== undefined) continue;
    const path = [...grants, "aliases", index];
    report("advice", holder, path, `there is no alias ${name} here`);
  }
}
