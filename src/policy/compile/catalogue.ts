// Models -> the catalogue: who has a name, and which models cannot run because a fallback of theirs is not there.

import type { Catalogue, CatalogueModel, CatalogueWord } from "../../core/permission/snapshot.ts";
import type { ModelResource } from "../resources.ts";
import type { CompileContext } from "./context.ts";

export type CompiledCatalogue = {
  readonly catalogue: Catalogue;
  /** Whether a name that is no alias can run. */
  readonly isServed: (model: string) => boolean;
  /** The objects whose Model is in the catalogue. */
  readonly admitted: readonly ModelResource[];
};

/** `resources` in order of precedence. */
export function compileCatalogue(
  resources: readonly ModelResource[],
  word: CatalogueWord,
  context: CompileContext,
): CompiledCatalogue {
  const models = new Map<string, CatalogueModel>();
  const owners = new Map<string, ModelResource>();
  for (const resource of resources) {
    const { model: name, upstreamName, backend, ownedBy, fallbacks } = resource;
    const { upstreamCredential } = resource;
    const winner = owners.get(name);
    if (winner === undefined) {
      owners.set(name, resource);
      const bodyFields = new Set(resource.bodyFields);
      const refusedFields = new Set(resource.refusedFields);
      const rest = { upstreamName, backend, ownedBy, upstreamCredential, fallbacks };
      models.set(name, { name, ...rest, bodyFields, refusedFields });
    } else {
      const message = `the model ${name} is taken by Model ${winner.name}, which wins`;
      context.leaveOut(resource, ["spec", "name"], message);
    }
  }
  const catalogue: Catalogue = { closed: word === "closed", models };
  const unusable = catalogue.closed ? findUnusable(owners, context) : new Set<string>();
  const isServed = (model: string): boolean =>
    !catalogue.closed || (models.has(model) && !unusable.has(model));
  return { catalogue, isServed, admitted: [...owners.values()] };
}

/** Models that lead to a fallback nobody knows, at whatever remove: each says which of its own it is. */
function findUnusable(
  owners: ReadonlyMap<string, ModelResource>,
  { report }: CompileContext,
): ReadonlySet<string> {
  const unusable = new Set<string>();
  const usedBy = new Map<string, ModelResource[]>();
  const spoil = (resource: ModelResource, index: number, why: string): void => {
    if (unusable.has(resource.model)) return;
    unusable.add(resource.model);
    const message = `its fallback ${resource.fallbacks[index]} ${why}: requests for the model are refused`;
    report("disabled", resource, ["spec", "fallbacks", index], message, "target_not_found");
  };
  for (const resource of owners.values()) {
    for (const [index, fallback] of resource.fallbacks.entries()) {
      if (!owners.has(fallback)) spoil(resource, index, "is no Model");
      const users = usedBy.get(fallback) ?? [];
      usedBy.set(fallback, users);
      users.push(resource);
    }
  }
  // What is added on the way comes up in turn.
  for (const model of unusable) {
    for (const user of usedBy.get(model) ?? []) {
      spoil(user, user.fallbacks.indexOf(model), "cannot run either");
    }
  }
  return unusable;
}
