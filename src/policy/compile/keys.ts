// VirtualKeys -> the index by digest. A key that lost a conflict is not in it; one without its team is, and unusable.

import { aliasesIn } from "../../core/permission/alias-scope.ts";
import type {
  Catalogue,
  KeyRecord,
  Team,
  TeamReference,
  VirtualKey,
} from "../../core/permission/snapshot.ts";
import type { Work } from "../../core/permission/work.ts";
import type { VirtualKeyResource } from "../resources.ts";
import type { AliasCheck } from "./alias-check.ts";
import { createAliasCheck } from "./alias-check.ts";
import { compileOwnAliases, reportUnusable } from "./aliases.ts";
import type { CompileContext } from "./context.ts";
import { adviseOnGrant } from "./grant-advice.ts";
import type { GrantCompiler } from "./grants.ts";

type Surroundings = {
  readonly teams: ReadonlyMap<string, Team>;
  readonly compileGrant: GrantCompiler;
  readonly checks: {
    readonly everybody: AliasCheck;
    readonly byTeam: ReadonlyMap<string, AliasCheck>;
  };
  readonly catalogue: Catalogue;
  /** Shared by all checks of aliases. */
  readonly work: Work;
  readonly isServed: (model: string) => boolean;
  readonly context: CompileContext;
  readonly nowMs: number;
  readonly secretDigests: ReadonlyMap<string, string>;
  readonly previousSecretDigests: ReadonlyMap<string, string>;
};

export type CompiledKeys = {
  readonly index: ReadonlyMap<string, KeyRecord>;
  readonly count: number;
  /** Name and digest of each key in force: a digest read from a Secret is part of what decides the revision. */
  readonly inForce: readonly string[];
};

/** `resources` in order of precedence. */
export function compileKeys(
  resources: readonly VirtualKeyResource[],
  surroundings: Surroundings,
): CompiledKeys {
  const { context } = surroundings;
  const index = new Map<string, KeyRecord>();
  const inForce: string[] = [];
  for (const resource of resources) {
    const digest = digestOf(resource, surroundings);
    if (digest === undefined) continue;
    const previous = previousOf(resource, surroundings);
    const holder = index.get(digest)?.key ?? index.get(previous?.digest ?? "")?.key;
    if (holder !== undefined) {
      const message = `its secret is also that of VirtualKey ${holder.name}, which wins`;
      context.leaveOut(resource, ["spec"], message);
      continue;
    }
    const key = compileKey(resource, surroundings);
    index.set(digest, { key, validUntilMs: undefined });
    inForce.push(`${key.name} ${digest}`);
    if (previous === undefined) continue;
    if (previous.digest === digest) {
      const message = "the previous secret is the current one, which stays valid";
      context.advise("previous_is_current", resource, ["spec", "previous", "keyHash"], message);
    } else {
      index.set(previous.digest, { key, validUntilMs: previous.untilMs });
    }
  }
  return { index, count: inForce.length, inForce };
}

function digestOf(
  resource: VirtualKeyResource,
  { secretDigests, context }: Surroundings,
): string | undefined {
  const { credential } = resource;
  if (credential.kind === "digest") return credential.digest;
  const digest = secretDigests.get(resource.name);
  if (digest === undefined) {
    const message = `Secret ${credential.name} cannot be read here: the key is off; files need keyHash`;
    context.leaveOut(resource, ["spec", "secretRef"], message, "secret_not_found");
  }
  return digest;
}

/** A previous secret that cannot be read is no longer valid; the key itself still is. */
function previousOf(
  resource: VirtualKeyResource,
  { previousSecretDigests, context }: Surroundings,
): { readonly digest: string; readonly untilMs: number } | undefined {
  const { previous } = resource;
  if (previous === undefined) return undefined;
  const { credential, untilMs } = previous;
  const digest =
    credential.kind === "digest" ? credential.digest : previousSecretDigests.get(resource.name);
  if (digest !== undefined) return { digest, untilMs };
  const message = "the previous Secret cannot be read here: it is no longer valid";
  context.report("disabled", resource, ["spec", "previous"], message, "secret_not_found");
  return undefined;
}

function compileKey(resource: VirtualKeyResource, surroundings: Surroundings): VirtualKey {
  const { compileGrant, checks, catalogue, isServed, work, context, nowMs } = surroundings;
  const team = teamReference(resource.team, surroundings.teams);
  if (team !== undefined && team.team === undefined) {
    const message = `there is no Team ${team.name}: the key is unusable`;
    context.report("disabled", resource, ["spec", "team"], message, "team_not_found");
  }
  const aliases = compileOwnAliases(resource.aliases);
  const outer =
    (resource.team === undefined ? undefined : checks.byTeam.get(resource.team)) ??
    checks.everybody;
  const check = createAliasCheck(aliases, { catalogue, isServed, outer, work });
  for (const alias of aliasesIn(aliases)) {
    const path = ["spec", "aliases", alias.name];
    reportUnusable(alias, check, { resource, path }, context);
  }
  if (resource.grants === undefined && resource.team === undefined) {
    const message = "without team and grants it can use nothing";
    context.advise("grants_nothing", resource, ["spec"], message);
  }
  if (resource.expiresAtMs !== undefined && resource.expiresAtMs <= nowMs) {
    context.advise("key_expired", resource, ["spec", "expiresAt"], "the key has expired");
  }
  if (resource.previous !== undefined && resource.previous.untilMs <= nowMs) {
    const message = "the previous secret has expired: previous can be removed";
    context.advise("previous_expired", resource, ["spec", "previous", "until"], message);
  }
  const grant = resource.grants && compileGrant(resource.grants, resource, context);
  if (resource.grants !== undefined && grant !== undefined) {
    adviseOnGrant(resource.grants, resource, { aliases: check, grant, context });
  }
  return {
    name: resource.name,
    team,
    grant,
    aliases,
    disabled: resource.disabled,
    notBeforeMs: resource.notBeforeMs,
    expiresAtMs: resource.expiresAtMs,
  };
}

function teamReference(
  name: string | undefined,
  teams: ReadonlyMap<string, Team>,
): TeamReference | undefined {
  if (name === undefined) return undefined;
  const team = teams.get(name);
  return team === undefined ? { name, team } : { name, team };
}
