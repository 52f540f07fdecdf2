// GrantSpec -> Grant: access groups expanded, and the advice that a reader of a grant would give.

import { toPatternSet } from "../core/pattern-set.ts";
import type { Grant } from "../core/snapshot.ts";
import type { AliasCheck } from "./alias-check.ts";
import type { CompileContext } from "./compile-context.ts";
import type {
  AccessGroupResource,
  GrantSpec,
  TeamResource,
  VirtualKeyResource,
} from "./resources.ts";

export type Groups = ReadonlyMap<string, AccessGroupResource>;
type Holder = TeamResource | VirtualKeyResource;

/** A group that does not exist grants nothing. */
export function compileGrant(
  spec: GrantSpec,
  holder: Holder,
  groups: Groups,
  { report }: CompileContext,
): Grant {
  const models = [...spec.models];
  for (const [index, name] of spec.groups.entries()) {
    const group = groups.get(name);
    if (group !== undefined) models.push(...group.models);
    else {
      const path = ["spec", "grants", "groups", index];
      report("disabled", holder, path, `there is no AccessGroup ${name}: it grants nothing`);
    }
  }
  return {
    models: toPatternSet(models),
    aliases: new Set(spec.aliases),
    deny: toPatternSet(spec.deny),
  };
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
