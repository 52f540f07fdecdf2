// Resources -> snapshot: pure and deterministic, whatever the order of the resources. Problems come as values.

import { noAliases } from "../../core/permission/alias-scope.ts";
import type {
  Alias,
  CatalogueWord,
  KeyRecord,
  Snapshot,
  Team,
} from "../../core/permission/snapshot.ts";
import { createWork } from "../../core/permission/work.ts";
import type { ModelAliasResource, Resource, ResourceKind, TeamResource } from "../resources.ts";
import { canonicalText, revisionOf } from "../revision.ts";
import type { AdviceCode } from "./advice.ts";
import { adviseOnAliasNames, adviseOnFallbacks, adviseOnReach, grantsOf } from "./alias-advice.ts";
import type { AliasCheck, AliasCheckOptions } from "./alias-check.ts";
import { createAliasCheck } from "./alias-check.ts";
import type { CompiledAliases } from "./aliases.ts";
import { compileAliases, reportUnusable } from "./aliases.ts";
import { compileCatalogue } from "./catalogue.ts";
import type { CompileContext, CompileProblem } from "./context.ts";
import { comparePrecedence, compareText, createCompileContext } from "./context.ts";
import { adviseOnGrant, adviseOnModels } from "./grant-advice.ts";
import type { GrantCompiler } from "./grants.ts";
import { createGrantCompiler } from "./grants.ts";
import { compileKeys } from "./keys.ts";

export type CompileOptions = {
  /** Milliseconds since the epoch: only decides which keys are reported as expired. */
  readonly nowMs: number;
  /** Digests of the Secrets that could be read, by name of the VirtualKey; none where files are the source. */
  readonly secretDigests?: ReadonlyMap<string, string>;
  /** The same for the secrets that rotations left behind. */
  readonly previousSecretDigests?: ReadonlyMap<string, string>;
  /** Whether only catalogued models can run: a word of the operator's, whatever Models there are. Default: open. */
  readonly catalogue?: CatalogueWord;
};

export type CompiledPolicy = {
  /** Its keys can be listed. */
  readonly snapshot: Snapshot & { readonly keys: ReadonlyMap<string, KeyRecord> };
  /** Ordered by resource, then as found. */
  readonly problems: readonly CompileProblem[];
  /** Those of the problems that are advice, by the object that they are for. */
  readonly advice: ReadonlyMap<Resource, readonly Advice[]>;
  /** The objects whose alias is in a scope of the snapshot, with that alias: the very one that a look-up finds. */
  readonly admitted: readonly (readonly [ModelAliasResource, Alias])[];
  /** Of what is in force. */
  readonly counts: {
    readonly aliases: number;
    readonly teams: number;
    readonly keys: number;
    readonly groups: number;
    readonly models: number;
  };
};

export type Advice = Pick<CompileProblem, "path" | "message"> & { readonly code: AdviceCode };

/** Targets that are looked at to find what can never be used; a policy of 10,000 aliases has some ten thousand. */
export const aliasStepsMax = 10_000_000;

export function compilePolicy(given: readonly Resource[], options: CompileOptions): CompiledPolicy {
  const problems: CompileProblem[] = [];
  const context = createCompileContext(problems);
  const resources = withoutRepetitions(given, context);
  const groups = byName(ofKind(resources, "AccessGroup"));
  const compileGrant = createGrantCompiler(groups);
  const work = createWork(aliasStepsMax);
  const models = compileCatalogue(ofKind(resources, "Model"), options.catalogue ?? "open", context);
  const { catalogue, isServed } = models;
  const teamResources = byName(ofKind(resources, "Team"));
  const modelAliases = ofKind(resources, "ModelAlias");
  const aliases = compileAliases(modelAliases, teamResources, catalogue, context);
  const checking = { catalogue, isServed, work };
  const checks = checkAliases(aliases, teamResources, { checking, context });
  const teams = compileTeams(teamResources, {
    ...{ aliases, compileGrant, checks, context },
  });
  const keys = compileKeys(ofKind(resources, "VirtualKey"), {
    ...{ teams, compileGrant, checks, ...checking, context },
    nowMs: options.nowMs,
    secretDigests: options.secretDigests ?? new Map(),
    previousSecretDigests: options.previousSecretDigests ?? new Map(),
  });
  const { lookup } = checks.everybody;
  const surroundings = { resources, admitted: aliases.admitted, lookup, context };
  const keyGrants = [...keys.index.values()].map(({ key }) => key.grant);
  adviseOnAliasNames(surroundings);
  adviseOnReach(surroundings, grantsOf(teams.values(), keyGrants));
  adviseOnFallbacks(models.admitted, surroundings);
  for (const resource of groups.values()) {
    const path = ["spec", "models"];
    adviseOnModels(resource.models, { resource, path, aliases: checks.everybody, context });
  }
  const inForce = resources.filter((resource) => !context.isLeftOut(resource));
  const closed = catalogue.closed ? ["closed"] : [];
  const revision = revisionOf(inForce, [...closed, ...aliases.lost, ...keys.inForce]);
  return {
    snapshot: { revision, catalogue, aliases: aliases.everybody, keys: keys.index },
    problems: problems.toSorted((a, b) => compareText(a.object ?? "", b.object ?? "")),
    advice: adviceOf(problems),
    admitted: aliases.admitted,
    counts: {
      aliases: aliases.admitted.length,
      teams: teams.size,
      keys: keys.count,
      groups: groups.size,
      models: catalogue.models.size,
    },
  };
}

function adviceOf(problems: readonly CompileProblem[]): CompiledPolicy["advice"] {
  const advice = new Map<Resource, Advice[]>();
  for (const { resource, path, message, code } of problems) {
    if (code === undefined) continue;
    const known = advice.get(resource) ?? [];
    advice.set(resource, known);
    known.push({ code, path, message });
  }
  return advice;
}

/** In order of precedence. The same object twice is a mistake that no rule of precedence should hide. */
function withoutRepetitions(
  given: readonly Resource[],
  { report }: CompileContext,
): readonly Resource[] {
  const first = new Map<string, Resource>();
  const sorted = given
    .map((resource) => ({ resource, text: canonicalText(resource) }))
    .sort((a, b) => comparePrecedence(a.resource, b.resource) || compareText(a.text, b.text));
  for (const { resource } of sorted) {
    const identity = `${resource.kind} ${resource.name}`;
    if (!first.has(identity)) first.set(identity, resource);
    else report("invalid", resource, ["metadata", "name"], `there is another ${identity}`);
  }
  return [...first.values()];
}

function ofKind<K extends ResourceKind>(
  resources: readonly Resource[],
  kind: K,
): readonly Extract<Resource, { kind: K }>[] {
  return resources.filter(
    (resource): resource is Extract<Resource, { kind: K }> => resource.kind === kind,
  );
}

function byName<R extends Resource>(resources: readonly R[]): ReadonlyMap<string, R> {
  return new Map(resources.map((resource) => [resource.name, resource]));
}

export type AliasChecks = {
  readonly everybody: AliasCheck;
  readonly byTeam: ReadonlyMap<string, AliasCheck>;
};

function checkAliases(
  aliases: CompiledAliases,
  teams: ReadonlyMap<string, TeamResource>,
  { checking, context }: { checking: Omit<AliasCheckOptions, "outer">; context: CompileContext },
): AliasChecks {
  const everybody = createAliasCheck(aliases.everybody, checking);
  const byTeam = new Map<string, AliasCheck>();
  for (const [name, scope] of aliases.byTeam) {
    const check = createAliasCheck(scope, { ...checking, outer: everybody });
    byTeam.set(name, check);
    const resource = teams.get(name);
    if (resource === undefined) continue;
    for (const own of resource.aliases.keys()) {
      const alias = check.find(own);
      const place = { resource, path: ["spec", "aliases", own] };
      if (alias !== undefined) reportUnusable(alias, check, place, context);
    }
  }
  for (const [resource, alias] of aliases.admitted) {
    const place = { resource, path: ["spec"] };
    const seenBy = resource.teams?.flatMap((name) => byTeam.get(name) ?? []) ?? [everybody];
    for (const check of seenBy) {
      if (check.find(alias.name) !== alias) continue;
      if (reportUnusable(alias, check, place, context)) break;
    }
  }
  return { everybody, byTeam };
}

function compileTeams(
  resources: ReadonlyMap<string, TeamResource>,
  {
    aliases,
    compileGrant,
    checks,
    context,
  }: {
    readonly aliases: CompiledAliases;
    readonly compileGrant: GrantCompiler;
    readonly checks: AliasChecks;
    readonly context: CompileContext;
  },
): ReadonlyMap<string, Team> {
  const teams = new Map<string, Team>();
  for (const [name, resource] of resources) {
    const grant = compileGrant(resource.grants, resource, context);
    const check = checks.byTeam.get(name) ?? checks.everybody;
    adviseOnGrant(resource.grants, resource, { aliases: check, grant, context });
    const { disabled } = resource;
    teams.set(name, { name, disabled, grant, aliases: aliases.byTeam.get(name) ?? noAliases });
  }
  return teams;
}
