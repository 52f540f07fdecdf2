// What a decision reads: the compiled policy. Built by policy/compile, never changed afterwards, swapped whole.

/** The compiled policy. One request sees one snapshot from beginning to end. */
export type Snapshot = {
  /** Content hash of the policy: 16 lower-case hex characters. */
  readonly revision: string;
  /** The closed catalogue by canonical name, or undefined while no Model exists: then any name can run. */
  readonly catalogue: ReadonlyMap<string, CatalogueModel> | undefined;
  /** Aliases that everybody sees. */
  readonly aliases: AliasScope;
  /** Digest of a presented key (64 lower-case hex characters) to the key it belongs to. */
  readonly keys: KeyIndex;
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

export type AliasScope = ReadonlyMap<string, Alias>;

export type Alias = {
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
  /** Canonical model names and wildcard patterns, access groups already expanded. */
  readonly models: PatternSet;
  /** Whoever may use alias X may run what X points to, through X only. Exact names. */
  readonly aliases: ReadonlySet<string>;
  readonly deny: PatternSet;
};

export type PatternSet = {
  readonly exact: ReadonlySet<string>;
  /** Each holds at least one "*", which stands for any run of characters; all else is literal. */
  readonly wildcards: readonly string[];
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
