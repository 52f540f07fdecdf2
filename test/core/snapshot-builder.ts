// Builds snapshots by hand for the tests of the core, so that they do not depend on the policy compiler.

import { hash } from "node:crypto";
import { createAliasScope, noAliases } from "../../src/core/permission/alias-scope.ts";
import { type Authorization, authorizeModel } from "../../src/core/permission/authorize.ts";
import { toPatternSet } from "../../src/core/permission/pattern-set.ts";
import { type Lots, type Resolution, resolve } from "../../src/core/permission/resolve.ts";
import type {
  Alias,
  AliasScope,
  CatalogueModel,
  Grant,
  KeyRecord,
  Snapshot,
  Team,
  VirtualKey,
} from "../../src/core/permission/snapshot.ts";
import { createWork, decisionStepsMax } from "../../src/core/permission/work.ts";

export type GrantParts = {
  readonly models?: readonly string[];
  readonly aliases?: readonly string[];
  readonly deny?: readonly string[];
};

/** "a" is one target; [["a", 9], ["b", 1]] are weighted ones. */
export type AliasParts = Readonly<Record<string, string | readonly (readonly [string, number])[]>>;

export function grant({ models = [], aliases = [], deny = [] }: GrantParts): Grant {
  return { models: [toPatternSet(models)], aliases: new Set(aliases), deny: toPatternSet(deny) };
}

export function scope(parts: AliasParts, more: Partial<Alias> = {}): AliasScope {
  const aliases = new Map<string, Alias>();
  for (const [name, to] of Object.entries(parts)) {
    const targets =
      typeof to === "string"
        ? [{ model: to, weight: 1 }]
        : to.map(([model, weight]) => ({ model, weight }));
    aliases.set(name, { name, targets, stickyBy: { kind: "request" }, hidden: false, ...more });
  }
  return createAliasScope(aliases.values());
}

export function team(
  grants: GrantParts,
  aliases: AliasParts = {},
  { disabled = false }: Partial<Pick<Team, "disabled">> = {},
): Team {
  return { name: "research", disabled, grant: grant(grants), aliases: scope(aliases) };
}

export function key(parts: Partial<VirtualKey> = {}): VirtualKey {
  return {
    name: "alice",
    team: undefined,
    grant: undefined,
    aliases: noAliases,
    disabled: false,
    notBeforeMs: undefined,
    expiresAtMs: undefined,
    ...parts,
  };
}

export function model(name: string, parts: Partial<CatalogueModel> = {}): CatalogueModel {
  const fields = { bodyFields: new Set<string>(), refusedFields: new Set<string>() };
  const defaults = { upstreamName: name, backend: "router", ...fields, fallbacks: [] } as const;
  return { name, ...defaults, ownedBy: undefined, upstreamCredential: undefined, ...parts };
}

/** With all the steps that a decision has. */
export function resolveName(
  ...[of, caller, requested, lots]: readonly [Snapshot, VirtualKey, string, Lots]
): Resolution {
  return resolve(of, caller, { requested, lots, work: createWork(decisionStepsMax) });
}

/** With all the steps that a decision has. */
export function authorizeName(
  ...[of, caller, requested, lots]: readonly [Snapshot, VirtualKey, string, Lots]
): Authorization {
  return authorizeModel(of, caller, { requested, lots, work: createWork(decisionStepsMax) });
}

/** The secret of the one key that `snapshot` makes from `key`. */
export const secret = "ag_test0001_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

export function snapshot(parts: {
  readonly key?: VirtualKey;
  readonly record?: KeyRecord;
  readonly aliases?: AliasScope;
  /** With some the catalogue is closed. */
  readonly models?: readonly CatalogueModel[];
  readonly closed?: boolean;
}): Snapshot {
  const record = parts.record ?? { key: parts.key ?? key(), validUntilMs: undefined };
  const models = parts.models?.map((entry) => [entry.name, entry] as const);
  return {
    revision: "0123456789abcdef",
    catalogue: { closed: parts.closed ?? models !== undefined, models: new Map(models) },
    aliases: parts.aliases ?? noAliases,
    keys: new Map([[hash("sha256", secret, "hex"), record]]),
  };
}
