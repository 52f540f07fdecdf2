// What a reader of the whole policy would say to the author of an alias or of a model.

import { findAlias, type Lookup } from "../../core/permission/alias-scope.ts";
import { reachOf } from "../../core/permission/resolve.ts";
import type { Alias, Grant, Team } from "../../core/permission/snapshot.ts";
import { matchesWildcard, toWildcard } from "../../core/permission/wildcard.ts";
import { createWork, decisionStepsMax, spend, type Work } from "../../core/permission/work.ts";
import type { ModelAliasResource, ModelResource, Resource } from "../resources.ts";
import type { CompileContext } from "./context.ts";

type Admitted = readonly (readonly [ModelAliasResource, Alias])[];

export type AliasSurroundings = {
  readonly resources: readonly Resource[];
  readonly admitted: Admitted;
  /** Of who has no aliases of his own. */
  readonly lookup: Lookup;
  readonly context: CompileContext;
};

/** An alias editor can send a real model's name elsewhere for everybody: rights hold, answers and money change. */
export function adviseOnAliasNames({ resources, admitted, context }: AliasSurroundings): void {
  const { adviceWork: work } = context;
  const granted = grantedModels(resources);
  const targets = targetsOf(admitted);
  for (const [resource, { name }] of admitted) {
    if (name.endsWith("*")) continue;
    const by = granted.exact.get(name) ?? namedBy(name, { granted, targets, work });
    if (by === undefined) continue;
    const message = `${name} is also the name of a model for ${by}: whoever asks for that gets what this alias leads to`;
    context.advise("alias_named_like_model", resource, ["spec", "alias"], message);
  }
}

type Granted = {
  /** Model to the object that grants it by its name. */
  readonly exact: ReadonlyMap<string, string>;
  /** Patterns that are granted, `*` left out: it says nothing about what is a model. */
  readonly wildcards: readonly ReturnType<typeof toWildcard>[];
};

function grantedModels(resources: readonly Resource[]): Granted {
  const exact = new Map<string, string>();
  const wildcards = new Set<string>();
  for (const resource of resources) {
    for (const model of modelsIn(resource)) {
      if (!model.includes("*")) exact.set(model, `${resource.kind} ${resource.name}`);
      else if (model !== "*") wildcards.add(model);
    }
  }
  return { exact, wildcards: [...wildcards].map(toWildcard) };
}

function modelsIn(resource: Resource): readonly string[] {
  switch (resource.kind) {
    case "Team":
      return resource.grants.models;
    case "VirtualKey":
      return resource.grants?.models ?? [];
    case "AccessGroup":
      return resource.models;
    case "ModelAlias":
    case "Model":
      return [];
    default:
      return resource satisfies never;
  }
}

function targetsOf(admitted: Admitted): ReadonlyMap<string, ModelAliasResource> {
  const targets = new Map<string, ModelAliasResource>();
  for (const [resource, alias] of admitted) {
    for (const { model } of alias.targets) targets.set(model, resource);
  }
  return targets;
}

/** A chain of aliases is nothing to speak of, unless a grant takes the name in its middle for a model. */
function namedBy(
  name: string,
  {
    granted,
    targets,
    work,
  }: {
    readonly granted: Granted;
    readonly targets: ReadonlyMap<string, ModelAliasResource>;
    readonly work: Work;
  },
): string | undefined {
  const by = targets.get(name);
  if (by === undefined || !spend(work, granted.wildcards.length)) return undefined;
  const isModel = granted.wildcards.some((wildcard) => matchesWildcard(wildcard, name));
  return isModel ? `ModelAlias ${by.name}` : undefined;
}

/** Aliases that lead to so much that some holder of a grant is refused for the work that it makes. */
export function adviseOnReach(
  { admitted, lookup, context }: AliasSurroundings,
  grants: readonly Grant[],
): void {
  const stepsMax = grants.reduce((most, grant) => Math.max(most, stepsIn(grant)), 0);
  const { adviceWork: all } = context;
  for (const [resource, alias] of admitted) {
    if (alias.targets.length === 1) continue;
    const work = createWork(Math.min(decisionStepsMax, all.stepsLeft));
    const had = work.stepsLeft;
    const reach = reachOf(lookup, { requested: alias.name, alias, work });
    if (!spend(all, had - work.stepsLeft)) return;
    const isEndless = work.stepsLeft < 0;
    const names = reach.ok ? reach.names.size : 0;
    if (!isEndless && names * stepsMax <= decisionStepsMax) continue;
    const message = isEndless
      ? `${alias.name} leads to too many targets: requests for it are refused`
      : `${alias.name} passes ${names} names: with the largest grant of this policy a request for it would take ${names * stepsMax} steps, and is refused beyond ${decisionStepsMax}`;
    context.advise("too_much_work", resource, ["spec", "targets"], message);
  }
}

function stepsIn({ deny, models }: Grant): number {
  return [deny, ...models].reduce((sum, { steps }) => sum + steps, 0);
}

export function grantsOf(
  teams: Iterable<Team>,
  keys: Iterable<Grant | undefined>,
): readonly Grant[] {
  const grants = new Set<Grant>();
  for (const { grant } of teams) grants.add(grant);
  for (const grant of keys) if (grant !== undefined) grants.add(grant);
  return [...grants];
}

export function adviseOnFallbacks(
  models: readonly ModelResource[],
  { lookup, context }: Pick<AliasSurroundings, "lookup" | "context">,
): void {
  for (const resource of models) {
    for (const [index, name] of resource.fallbacks.entries()) {
      const alias = findAlias(lookup, name, "exact");
      if (alias === undefined || lookup.catalogue.models.has(name)) continue;
      const message = `${name} is an alias, and fallbacks are models: what counts is a model of that name`;
      context.advise("fallback_is_alias", resource, ["spec", "fallbacks", index], message);
    }
  }
}
