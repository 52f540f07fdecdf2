// The resources of aliasguard.dev/v1alpha1 as the decoder leaves them: typed, bounded, every default filled in.
// Names are within their grammar; references are not yet looked up.

import type { BackendKind, StickyBy, UpstreamCredential } from "../core/permission/snapshot.ts";

export const policyGroup = "aliasguard.dev";
export const policyApiVersion = `${policyGroup}/v1alpha1`;

export const resourceKinds = ["ModelAlias", "Team", "VirtualKey", "AccessGroup", "Model"] as const;
export type ResourceKind = (typeof resourceKinds)[number];

/** Which object it is. A policy has one namespace, so kind and name identify an object within it. */
export type ResourceIdentity = {
  readonly kind: ResourceKind;
  /** undefined: the manifest names none. */
  readonly namespace: string | undefined;
  readonly name: string;
};

/** `createdAtMs` decides conflicts: the older object wins, and one without a time counts as the youngest. */
type Metadata<Kind extends ResourceKind> = ResourceIdentity & {
  readonly kind: Kind;
  readonly createdAtMs: number | undefined;
};

/** `weight` may be 0 here: the compiler drops such targets. */
export type TargetSpec = { readonly model: string; readonly weight: number };

export type ModelAliasResource = Metadata<"ModelAlias"> & {
  /** With one `*` at its end: for all names that begin like it. */
  readonly alias: string;
  /** At least one, and at least one with a weight above 0. */
  readonly targets: readonly TargetSpec[];
  /** Which of the two fields the author used, so that a problem can point at it. */
  readonly targetField: "target" | "targets";
  readonly stickyBy: StickyBy;
  /** Names of the teams that see the alias, at least one; undefined: everybody sees it. */
  readonly teams: readonly string[] | undefined;
  readonly hidden: boolean;
};

export type GrantSpec = {
  /** Model names and `*` patterns. */
  readonly models: readonly string[];
  /** Aliases by their name as written: the `*` of a pattern is a part of it. */
  readonly aliases: readonly string[];
  /** Names of AccessGroups. */
  readonly groups: readonly string[];
  /** Names and `*` patterns. */
  readonly deny: readonly string[];
};

/** Alias to its one target, in the order in which the author wrote them. */
export type ScopedAliases = ReadonlyMap<string, string>;

export type TeamResource = Metadata<"Team"> & {
  readonly grants: GrantSpec;
  readonly aliases: ScopedAliases;
  readonly disabled: boolean;
};

/** Where the digest of a key comes from. */
export type KeyCredential =
  | { readonly kind: "digest" /** 64 lower-case hex characters. */; readonly digest: string }
  | { readonly kind: "secretRef"; readonly name: string; readonly key: string };

export type VirtualKeyResource = Metadata<"VirtualKey"> & {
  readonly team: string | undefined;
  /** undefined: inherit the team's. */
  readonly grants: GrantSpec | undefined;
  readonly credential: KeyCredential;
  /** What a rotation left behind: good until `untilMs`, exclusive. */
  readonly previous: PreviousCredential | undefined;
  readonly notBeforeMs: number | undefined;
  readonly expiresAtMs: number | undefined;
  readonly disabled: boolean;
  readonly aliases: ScopedAliases;
};

export type PreviousCredential = { readonly credential: KeyCredential; readonly untilMs: number };

export type AccessGroupResource = Metadata<"AccessGroup"> & {
  readonly models: readonly string[];
};

export type ModelResource = Metadata<"Model"> & {
  /** The canonical name; metadata.name is only the object's. */
  readonly model: string;
  readonly upstreamName: string;
  readonly backend: BackendKind;
  readonly bodyFields: readonly string[];
  readonly refusedFields: readonly string[];
  readonly ownedBy: string | undefined;
  /** Canonical names of models that its backend may run in its stead. */
  readonly fallbacks: readonly string[];
  readonly upstreamCredential: UpstreamCredential | undefined;
};

export type Resource =
  | ModelAliasResource
  | TeamResource
  | VirtualKeyResource
  | AccessGroupResource
  | ModelResource;

/** The object as problems and messages name it: `ModelAlias prod/agentx`, or without the namespace where none is given. */
export function objectName({ kind, namespace, name }: ResourceIdentity): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}

/** Within one policy: whether two objects are the same one. */
export function identityKey({ kind, name }: { kind: ResourceKind; name: string }): string {
  return `${kind} ${name}`;
}
