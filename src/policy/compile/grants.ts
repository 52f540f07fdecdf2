// GrantSpec -> Grant: access groups looked up, equal parts compiled once and shared.

import { toPatternSet } from "../../core/permission/pattern-set.ts";
import type { Grant, PatternSet } from "../../core/permission/snapshot.ts";
import type {
  AccessGroupResource,
  GrantSpec,
  TeamResource,
  VirtualKeyResource,
} from "../resources.ts";
import type { CompileContext } from "./context.ts";

export type Groups = ReadonlyMap<string, AccessGroupResource>;
type Holder = TeamResource | VirtualKeyResource;

export type GrantCompiler = (spec: GrantSpec, holder: Holder, context: CompileContext) => Grant;

/** Ten thousand keys that use one group of a thousand models share one set of them: groups are never copied. */
export function createGrantCompiler(groups: Groups): GrantCompiler {
  const patternSets = new Map<string, PatternSet>();
  const groupSets = new Map<string, PatternSet>();
  const modelSets = new Map<string, readonly PatternSet[]>();
  const aliasSets = new Map<string, ReadonlySet<string>>();
  const grants = new Map<string, Grant>();
  const patternSetOf = (patterns: readonly string[]): PatternSet =>
    shared(patternSets, JSON.stringify(patterns), () => toPatternSet(patterns));
  const groupSetsOf = (names: readonly string[]): readonly PatternSet[] =>
    [...new Set(names)].flatMap((name) => {
      const group = groups.get(name);
      return group === undefined ? [] : [shared(groupSets, name, () => patternSetOf(group.models))];
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
      models: shared(modelSets, JSON.stringify([models, groupNames]), () => [
        ...(models.length === 0 ? [] : [patternSetOf(models)]),
        ...groupSetsOf(groupNames),
      ]),
      aliases: shared(aliasSets, JSON.stringify(aliases), () => new Set(aliases)),
      deny: patternSetOf(deny),
    }));
  };
}

function shared<T>(known: Map<string, T>, content: string, compile: () => T): T {
  const found = known.get(content) ?? compile();
  known.set(content, found);
  return found;
}
