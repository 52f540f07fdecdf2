// Resources -> snapshot: pure and deterministic, whatever the order of the resources. Problems come as values.

import type {
  Alias,
  AliasScope,
  CatalogueModel,
  KeyRecord,
  Snapshot,
  Team,
} from "../../core/permission/snapshot.ts";
import type { ModelAliasResource, Resource, ResourceKind, TeamResource } from "../resources.ts";
import { canonicalText, revisionOf } from "../revision.ts";
import type { AliasCheck } from "./alias-check.ts";
import { createAliasCheck } from "./alias-check.ts";
import type { CompiledAliases } from "./aliases.ts";
import { compileAliases, reportUnusable } from "./aliases.ts";
import type { CompileContext, CompileProblem } from "./context.ts";
import { comparePrecedence, compareText, createCompileContext } from "./context.ts";
import type { GrantCompiler } from "./grants.ts";
import { adviseOnGrant, createGrantCompiler } from "./grants.ts";
import { compileKeys } from "./keys.ts";

export type CompileOptions = {
  /** Milliseconds since the epoch: only decides which keys are reported as expired. */
  readonly nowMs: number;
  /** Digests of the Secrets that could be read, by name of the VirtualKey; none where files are the source. */
  readonly secretDigests?: ReadonlyMap<string, string>;
  /** The same for the secrets that rotations left behind. */
  readonly previousSecretDigests?: ReadonlyMap<string, string>;
  /**
   * Whether a Model exists that is not among the resources, because it could not be decoded. The catalogue is closed all
   * the same: one mistake in the only Model must not open it. Default: false.
   */
  readonly modelExists?: boolean;
};

export type CompiledPolicy = {
  /** Its keys can be listed. */
  readonly snapshot: Snapshot & { readonly keys: ReadonlyMap<string, KeyRecord> };
  /** Ordered by resource, then as found. */
  readonly problems: readonly CompileProblem[];
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

export function compilePolicy(given: readonly Resource[], options: CompileOptions): CompiledPolicy {
  const problems: CompileProblem[] = [];
  const context = createCompileContext(problems);
  const resources = withoutRepetitions(given, context);
  const groups = byName(ofKind(resources, "AccessGroup"));
  const compileGrant = createGrantCompiler(groups);
  const catalogue = compileCatalogue(resources, options, context);
  const teamResources = byName(ofKind(resources, "Team"));
  const modelAliases = ofKind(resources, "ModelAlias");
  const aliases = compileAliases(modelAliases, teamResources, catalogue, context);
  const isServed = (model: string): boolean => catalogue?.has(model) !== false;
  const checks = checkAliases(aliases, teamResources, isServed, context);
  const teams = compileTeams(teamResources, {
    ...{ aliases, compileGrant, checks, catalogue, context },
  });
  const keys = compileKeys(ofKind(resources, "VirtualKey"), {
    ...{ teams, compileGrant, checks, catalogue, isServed, context },
    nowMs: options.nowMs,
    secretDigests: options.secretDigests ?? new Map(),
    previousSecretDigests: options.previousSecretDigests ?? new Map(),
  });
  const inForce = resources.filter((resource) => !context.isLeftOut(resource));
  // A catalogue that is closed by Models in force shows in those.
  const closed = catalogue?.size === 0 ? ["closed"] : [];
  const revision = revisionOf(inForce, [...closed, ...aliases.lost, ...keys.inForce]);
  return {
    snapshot: { revision, catalogue, aliases: aliases.everybody, keys: keys.index },
    problems: problems.toSorted((a, b) => compareText(a.object ?? "", b.object ?? "")),
    admitted: aliases.admitted,
    counts: {
      aliases: aliases.admitted.length,
      teams: teams.size,
      keys: keys.count,
      groups: groups.size,
      models: catalogue?.size ?? 0,
    },
  };
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

/** Closed as soon as one Model exists, in force or not. */
function compileCatalogue(
  resources: readonly Resource[],
  options: CompileOptions,
  context: CompileContext,
): ReadonlyMap<string, CatalogueModel> | undefined {
  const catalogue = new Map<string, CatalogueModel>();
  const owners = new Map<string, string>();
  const models = ofKind(resources, "Model");
  for (const resource of models) {
    const { model: name, upstreamName, backend, ownedBy } = resource;
    const { upstreamCredential } = resource;
    const winner = owners.get(name);
    if (winner === undefined) {
      owners.set(name, resource.name);
      const bodyFields = new Set(resource.bodyFields);
      const refusedFields = new Set(resource.refusedFields);
      const rest = { upstreamName, backend, ownedBy, upstreamCredential };
      catalogue.set(name, { name, ...rest, bodyFields, refusedFields });
    } else {
      const message = `the model ${name} is taken by Model ${winner}, which wins`;
      context.leaveOut(resource, ["spec", "name"], message);
    }
  }
  return models.length > 0 || options.modelExists === true ? catalogue : undefined;
}

export type AliasChecks = {
  readonly everybody: AliasCheck;
  readonly byTeam: ReadonlyMap<string, AliasCheck>;
};

function checkAliases(
  aliases: CompiledAliases,
  teams: ReadonlyMap<string, TeamResource>,
  isServed: (model: string) => boolean,
  context: CompileContext,
): AliasChecks {
  const everybody = createAliasCheck(aliases.everybody, isServed);
  const byTeam = new Map<string, AliasCheck>();
  for (const [name, scope] of aliases.byTeam) {
    const check = createAliasCheck(scope, isServed, everybody);
    byTeam.set(name, check);
    const resource = teams.get(name);
    if (resource === undefined) continue;
    for (const own of resource.aliases.keys()) {
      const alias = scope.get(own);
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
    catalogue,
    context,
  }: {
    readonly aliases: CompiledAliases;
    readonly compileGrant: GrantCompiler;
    readonly checks: AliasChecks;
    readonly catalogue: ReadonlyMap<string, CatalogueModel> | undefined;
    readonly context: CompileContext;
  },
): ReadonlyMap<string, Team> {
  const none: AliasScope = new Map();
  const teams = new Map<string, Team>();
  for (const [name, resource] of resources) {
    const grant = compileGrant(resource.grants, resource, context);
    const check = checks.byTeam.get(name) ?? checks.everybody;
    adviseOnGrant(resource.grants, resource, { aliases: check, catalogue, context });
    const { disabled } = resource;
    teams.set(name, { name, disabled, grant, aliases: aliases.byTeam.get(name) ?? none });
  }
  return teams;
}
