// What a reader of a grant would say to its author.

import { findAlias } from "../../core/permission/alias-scope.ts";
import type { Grant } from "../../core/permission/snapshot.ts";
import { type StandInRow, standInOf } from "../../core/permission/stand-in-models.ts";
import { decisionStepsMax } from "../../core/permission/work.ts";
import type {
  AccessGroupResource,
  GrantSpec,
  TeamResource,
  VirtualKeyResource,
} from "../resources.ts";
import type { AliasCheck } from "./alias-check.ts";
import type { CompileContext } from "./context.ts";

type Holder = TeamResource | VirtualKeyResource;

/** Names that a weighted alias of one level can pass: itself and 16 targets. */
const namesOfAlias = 17;

/** What works, but perhaps not as meant. */
export function adviseOnGrant(
  spec: GrantSpec,
  holder: Holder,
  {
    aliases,
    grant,
    context,
  }: {
    readonly aliases: AliasCheck;
    readonly grant: Grant;
    readonly context: CompileContext;
  },
): void {
  const { advise } = context;
  const grants = ["spec", "grants"];
  if (spec.models.length + spec.aliases.length + spec.groups.length === 0) {
    const message =
      spec.deny.length > 0
        ? "it only denies: without models, aliases or groups nothing can be used"
        : `it grants nothing: this ${holder.kind} can use nothing`;
    advise("grants_nothing", holder, grants, message);
  }
  const path = [...grants, "models"];
  adviseOnModels(spec.models, { resource: holder, path, aliases, context });
  for (const [index, name] of spec.aliases.entries()) {
    if (aliases.find(name) !== undefined) continue;
    advise(
      "granted_alias_missing",
      holder,
      [...grants, "aliases", index],
      `there is no alias ${name} here`,
    );
  }
  adviseOnAliasStandIns(spec.aliases, holder, { aliases, context });
  const steps = [grant.deny, ...grant.models].reduce((sum, set) => sum + set.steps, 0);
  if (steps * namesOfAlias > decisionStepsMax) {
    const message = `its patterns take ${steps} steps for each name: a request for an alias with 16 targets would take ${steps * namesOfAlias}, and is refused beyond ${decisionStepsMax}`;
    advise("too_much_work", holder, grants, message);
  }
}

type ModelsOf = {
  readonly resource: Holder | AccessGroupResource;
  readonly path: readonly (string | number)[];
  readonly aliases: AliasCheck;
  readonly context: CompileContext;
};

/** On a list of granted models, in a grant or in a group. */
export function adviseOnModels(
  models: readonly string[],
  { resource, path, aliases, context: { advise, adviceWork } }: ModelsOf,
): void {
  const { lookup } = aliases;
  const { closed, models: catalogued } = lookup.catalogue;
  for (const [index, name] of models.entries()) {
    const at = [...path, index];
    if (name === "*" && !closed) {
      const message = "while the catalogue is open, * grants every model there will ever be";
      advise("grants_everything", resource, at, message);
    }
    if (name.includes("*")) continue;
    const alias =
      adviceWork.stepsLeft < 0 ? undefined : findAlias(lookup, name, "sent", adviceWork);
    // A name that a pattern takes can still be where an alias leads, and there the grant is what counts.
    if (alias?.name === name && !catalogued.has(name)) {
      const message = `${name} is an alias: granting it as a model buys nothing; use grants.aliases`;
      advise("alias_granted_as_model", resource, at, message);
    }
    const standIn = standInOf(name) ?? standInOf(catalogued.get(name)?.upstreamName ?? name);
    if (standIn !== undefined) {
      const isSentinel = standIn.backend === "LiteLLM";
      const code = isSentinel ? "litellm_sentinel" : "stand_in_reached";
      advise(code, resource, at, isSentinel ? sentinelText(name) : standInText(name, standIn));
    }
  }
}

function sentinelText(name: string): string {
  return `${name} is a word of LiteLLM's configuration and no model: leave a key's grants out to inherit its team's, or grant *`;
}

function standInText(name: string, { backend, picks }: StandInRow): string {
  return `${name} stands for other models, which nobody checks; behind it runs ${picks} (${backend})`;
}

/** Models that a granted alias leads to at once or by further aliases; the first that is found is named. */
function adviseOnAliasStandIns(
  granted: readonly string[],
  holder: Holder,
  {
    aliases,
    context: { advise },
  }: { readonly aliases: AliasCheck; readonly context: CompileContext },
): void {
  for (const [index, name] of granted.entries()) {
    for (const { model } of aliases.find(name)?.targets ?? []) {
      const standIn = standInOf(model);
      if (standIn === undefined || aliases.find(model) !== undefined) continue;
      const path = ["spec", "grants", "aliases", index];
      advise("stand_in_reached", holder, path, `${name} leads to ${standInText(model, standIn)}`);
      break;
    }
  }
}
