// What a decision reads: the compiled policy. Built by policy/compile, never changed afterwards, swapped whole.

import type { Wildcard } from "./wildcard.ts";

/** The compiled policy. One request sees one snapshot from beginning to end. */
export type Snapshot = {
  /** Content hash of the policy: 16 lower-case hex characters. */
  readonly revision: string;
  readonly catalogue: Catalogue;
  /** Aliases that everybody sees. */
  readonly aliases: AliasScope;
  /** Digest of a presented key (64 lower-case hex characters) to the key it belongs to. */
  readonly keys: KeyIndex;
};

/** `open`: any model can run, a Model adds what it says, grants decide. `closed`: only catalogued models can run. */
export const catalogueWords = ["open", "closed"] as const;
export type CatalogueWord = (typeof catalogueWords)[number];

/** What is known of models, and whether only those can run. */
export type Catalogue = {
  /** Only catalogued models can run, and wildcards bind to those. Open: any name can, and grants decide. */
  readonly closed: boolean;
  /** By canonical name. */
  readonly models: ReadonlyMap<string, CatalogueModel>;
};

export type KeyIndex = { get(digest: string): KeyRecord | undefined };

/** `validUntilMs` is set on the digest that a rotation left behind: from that moment on it is expired. */
export type KeyRecord = { readonly key: VirtualKey; readonly validUntilMs: number | undefined };

export type VirtualKey = {
  /** metadata.name: a DNS-1123 subdomain, so it is safe in headers and logs. */
  readonly name: string;
  /** undefined: a key without a team. A team that the policy does not hold makes the key unusable. */
  readonly team: TeamReference | undefined;
  /** undefined: the key inherits its team's grant; without a team it may use nothing. */
  readonly grant: Grant | undefined;
  readonly aliases: AliasScope;
  readonly disabled: boolean;
  readonly notBeforeMs: number | undefined;
  readonly expiresAtMs: number | undefined;
};

export type TeamReference =
  | { readonly name: string; readonly team: Team }
  | { readonly name: string; readonly team: undefined };

/** `aliases` holds Team.aliases and the ModelAliases visible to this team; a Team's own beats a ModelAlias. */
export type Team = {
  readonly name: string;
  /** Its keys are refused. */
  readonly disabled: boolean;
  readonly grant: Grant;
  readonly aliases: AliasScope;
};

/** Aliases that are looked up together; made by `createAliasScope`. */
export type AliasScope = {
  /** By their name, those without a `*`. */
  readonly exact: ReadonlyMap<string, Alias>;
  /** By the text before their `*`. */
  readonly byPrefix: ReadonlyMap<string, Alias>;
  /** Lengths of those texts, each once, the longest first. */
  readonly prefixLengths: readonly number[];
};

export type Alias = {
  /** As written: with a `*` at its end it stands for all names that begin like it. */
  readonly name: string;
  /** At least one; only targets with a weight above 0, for a target that cannot run is neither chosen nor checked. */
  readonly targets: readonly WeightedTarget[];
  readonly stickyBy: StickyBy;
  /** Usable, but not listed. */
  readonly hidden: boolean;
};

export type WeightedTarget = { readonly model: string; readonly weight: number };

export type StickyBy =
  | { readonly kind: "request" }
  | { readonly kind: "key" }
  | { readonly kind: "header"; readonly name: string };

/** What a key or a team may use. Empty sets allow nothing; `deny` wins over everything. */
export type Grant = {
  /** Its own models, and those of each of its groups: groups are shared by all who name them. */
  readonly models: readonly PatternSet[];
  /** Names of aliases as written: a capability to run what they lead to, for callers who ask by that alias. */
  readonly aliases: ReadonlySet<string>;
  readonly deny: PatternSet;
};

export type PatternSet = {
  readonly exact: ReadonlySet<string>;
  readonly wildcards: readonly Wildcard[];
  /** What comparing a name with all of them takes at most. */
  readonly steps: number;
};

/** `router`: the backend can itself pick models, so that more body fields are refused. Default `router`. */
export type BackendKind = "leaf" | "router";

export type CatalogueModel = {
  readonly name: string;
  /** What the body, path or query is rewritten to. Default: `name`. */
  readonly upstreamName: string;
  readonly backend: BackendKind;
  /** Body fields that its backend takes although they are unknown or listed as refused. */
  readonly bodyFields: ReadonlySet<string>;
  /** Known body fields and types of tools that its backend is never sent. */
  readonly refusedFields: ReadonlySet<string>;
  readonly ownedBy: string | undefined;
  /** Canonical names of what its backend may run in its stead; each must be granted like it. */
  readonly fallbacks: readonly string[];
  /** What the backend wants in place of the caller's key; undefined: the default one, where there is one. */
  readonly upstreamCredential: UpstreamCredential | undefined;
};

/** Headers in which a backend may want its credential. */
export const upstreamCredentialHeaders = [
  "authorization",
  "x-api-key",
  "api-key",
  "x-goog-api-key",
  "x-litellm-api-key",
] as const;

/** Which credential it is and where it goes; its value stands in no policy. */
export type UpstreamCredential = {
  readonly name: string;
  readonly header: (typeof upstreamCredentialHeaders)[number];
};
