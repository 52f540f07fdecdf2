// Aliases -> scopes: everybody's, and each team's. Conflict losers and aliases named like a Model are left out; aliases
// that can never be used stay, for core/resolve refuses them, and are reported once per object.

import { createAliasScope, noAliases } from "../../core/permission/alias-scope.ts";
import { aliasHopsMax } from "../../core/permission/resolve.ts";
import type { Alias, AliasScope, Catalogue } from "../../core/permission/snapshot.ts";
import type { ModelAliasResource, Resource, ScopedAliases, TeamResource } from "../resources.ts";
import { objectName } from "../resources.ts";
import type { AliasCheck } from "./alias-check.ts";
import type { CompileContext } from "./context.ts";

export type CompiledAliases = {
  readonly everybody: AliasScope;
  /** By name of the team. */
  readonly byTeam: ReadonlyMap<string, AliasScope>;
  /** The objects whose aliases are in a scope, with what they became. */
  readonly admitted: readonly (readonly [ModelAliasResource, Alias])[];
  /** Pairs of object and team where the object lost; part of what decides the revision. */
  readonly lost: readonly string[];
};

/** Target lists of one object each; `targets` may hold weights of 0, which are dropped. */
export function toAlias(resource: ModelAliasResource): Alias {
  const targets = resource.targets.filter(({ weight }) => weight > 0);
  const { alias: name, stickyBy, hidden } = resource;
  return { name, targets, stickyBy, hidden };
}

/** Keys without aliases, which most are, share one empty scope. */
export function compileOwnAliases(own: ScopedAliases): AliasScope {
  return own.size === 0 ? noAliases : createAliasScope(toAliases(own).values());
}

function toAliases(own: ScopedAliases): Map<string, Alias> {
  const aliases = new Map<string, Alias>();
  for (const [name, model] of own) {
    const targets = [{ model, weight: 1 }];
    aliases.set(name, { name, targets, stickyBy: { kind: "request" }, hidden: false });
  }
  return aliases;
}

/** `resources` in order of precedence. */
export function compileAliases(
  resources: readonly ModelAliasResource[],
  teams: ReadonlyMap<string, TeamResource>,
  { models }: Catalogue,
  context: CompileContext,
): CompiledAliases {
  const everybody = new Map<string, Alias>();
  const byTeam = new Map<string, Map<string, Alias>>();
  const owners = new Map<Alias, Resource>();
  const admitted: [ModelAliasResource, Alias][] = [];
  const lost: string[] = [];
  for (const [name, team] of teams) {
    const scope = toAliases(team.aliases);
    for (const alias of scope.values()) owners.set(alias, team);
    byTeam.set(name, scope);
  }
  for (const resource of resources) {
    const alias = toAlias(resource);
    owners.set(alias, resource);
    if (models.has(alias.name)) {
      const message = `the alias ${alias.name} is named like a Model, and the Model wins`;
      context.leaveOut(resource, ["spec", "alias"], message);
      continue;
    }
    const scopes = scopesOf(resource, { everybody, byTeam, context });
    let places = 0;
    for (const { scope, team } of scopes) {
      const winner = scope.get(alias.name);
      if (winner === undefined) {
        scope.set(alias.name, alias);
        places++;
        continue;
      }
      const owner = owners.get(winner);
      const by = owner === undefined ? "another alias" : objectName(owner);
      const where = team === undefined ? "" : ` for team ${team}`;
      const own = owner?.kind === "Team";
      const path = ["spec", "alias"];
      lost.push(`${resource.name} ${team ?? ""}`);
      const message = own
        ? `${by} has an alias ${alias.name} of its own, which wins${where}`
        : `the alias ${alias.name} is taken by ${by}, which wins${where}`;
      if (own) context.advise("alias_overridden", resource, path, message);
      else context.report("disabled", resource, path, message, "conflict");
    }
    if (places > 0) admitted.push([resource, alias]);
  }
  return {
    everybody: createAliasScope(everybody.values()),
    byTeam: new Map([...byTeam].map(([name, scope]) => [name, createAliasScope(scope.values())])),
    admitted,
    lost,
  };
}

type OpenScope = { readonly scope: Map<string, Alias>; readonly team: string | undefined };

function scopesOf(
  resource: ModelAliasResource,
  {
    everybody,
    byTeam,
    context,
  }: {
    readonly everybody: Map<string, Alias>;
    readonly byTeam: ReadonlyMap<string, Map<string, Alias>>;
    readonly context: CompileContext;
  },
): readonly OpenScope[] {
  const { teams } = resource;
  if (teams === undefined) return [{ scope: everybody, team: undefined }];
  const none = !teams.some((name) => byTeam.has(name));
  const scopes: OpenScope[] = [];
  for (const [index, team] of teams.entries()) {
    const scope = byTeam.get(team);
    if (scope !== undefined) scopes.push({ scope, team });
    else {
      const path = ["spec", "teams", index];
      const message = `there is no Team ${team}`;
      if (none) context.report("disabled", resource, path, message, "team_not_found");
      else context.advise("team_missing", resource, path, message);
    }
  }
  return scopes;
}

/** Reports an alias that can never be used; whether it did. */
export function reportUnusable(
  alias: Alias,
  check: AliasCheck,
  { resource, path }: { readonly resource: Resource; readonly path: readonly string[] },
  { report }: CompileContext,
): boolean {
  const isKnown = (model: string): boolean => check.lookup.catalogue.models.has(model);
  const verdict = check.verdict(alias.name);
  if (verdict === undefined || verdict.kind === "usable") return false;
  switch (verdict.kind) {
    case "cycle": {
      const { members, length } = verdict;
      const more = length - members.length;
      const way = [...members, more > 0 ? `${more} more` : [], members[0] ?? ""]
        .flat()
        .join(" -> ");
      const message = `${alias.name} ends in a cycle of aliases: ${way}`;
      report("disabled", resource, path, message, "cycle");
      return true;
    }
    case "too_long": {
      const way = check.longestWay(alias.name).join(" -> ");
      const message = `${alias.name} is a chain of more than ${aliasHopsMax} aliases: ${way}`;
      report("disabled", resource, path, message, "chain_too_long");
      return true;
    }
    case "dangling":
      report(
        "disabled",
        resource,
        path,
        isKnown(verdict.model)
          ? `${alias.name} leads to ${verdict.model}, which cannot run for want of a fallback`
          : `${alias.name} leads to ${verdict.model}, which is neither a Model nor an alias`,
        "target_not_found",
      );
      return true;
    default:
      return verdict satisfies never;
  }
}
