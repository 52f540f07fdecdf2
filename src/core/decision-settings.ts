// The settings that a decision depends on: read once at start, the same for every request.

import { type KeyCarrier, keyCarriers } from "./http/credential.ts";

/** How a model name in the body is replaced; see `bodyEdits`. */
export type BodyEdits = "splice" | "header-only";

export type DecisionSettings = {
  /** Request headers that carry the resolved model, lower case, at least one. Default `["x-model"]`. */
  readonly modelHeaders: readonly string[];
  /** Longest body in bytes; more is a 413. Default 32 MiB, below Envoy's max_request_bytes. */
  readonly bodyBytesMax: number;
  /** Take bodies that Envoy sends as sanitised text (no pack_as_bytes). Default false: they are refused. */
  readonly acceptTextBody: boolean;
  /**
   * `splice` (default): the body is edited by the Lua filter or ext_proc, guarded by the path.
   * `header-only`: no edit; only for backends that Envoy chooses wholly by the model header, one model each.
   */
  readonly bodyEdits: BodyEdits;
  /**
   * Leave the caller's credential on the request to the backend, and the headers that say whose account it is for.
   * Default false: all of them are removed.
   */
  readonly keepCredentials: boolean;
  /** Where the key may stand, at least one. The others are the backend's affair and pass as they are. Default all. */
  readonly keyCarriers: readonly KeyCarrier[];
  /** Request headers that go to the backend beside the known ones: names, and `prefix-*`. Default none. */
  readonly forwardHeaders: readonly string[];
  /**
   * Prefixes under which the openai and anthropic operations are served; "" is none. `PREFIX=CANONICAL` says what the
   * backend gets in its place; without "=" it gets the prefix as it came.
   */
  readonly pathPrefixes: readonly string[];
  /** Serve GET /v1/realtime, whose later frames nobody checks. Default false. */
  readonly realtime: boolean;
  /** Routes as `METHOD /path` that are let through with a valid key, whatever they carry. Default none. */
  readonly uncheckedRoutes: readonly string[];
  /** More paths whose body names the model, as `POST /path` and perhaps a dialect (default openai). Default none. */
  readonly modelRoutes: readonly string[];
  /** Query parameters allowed on every route beside its own. Default none. */
  readonly queryParameters: ReadonlySet<string>;
  /** Body fields that are let through although they are unknown or the table refuses them. Default none. */
  readonly bodyFields: ReadonlySet<string>;
  /** Known body fields and types of tools (`tools[].type=mcp`) that are refused all the same. Default none. */
  readonly refusedFields: ReadonlySet<string>;
  /** Seed of the scanner's key hash, a 32-bit integer, random for each process: nobody can prepare colliding keys. */
  readonly hashSeed: number;
};

export const defaultDecisionSettings: DecisionSettings = {
  modelHeaders: ["x-model"],
  bodyBytesMax: 32 * 1024 * 1024,
  acceptTextBody: false,
  bodyEdits: "splice",
  keepCredentials: false,
  keyCarriers,
  forwardHeaders: [],
  pathPrefixes: ["/v1", "=/v1", "/openai/v1=/v1", "/anthropic/v1=/v1", "/api/v1"],
  realtime: false,
  uncheckedRoutes: [],
  modelRoutes: [],
  queryParameters: new Set(),
  bodyFields: new Set(),
  refusedFields: new Set(),
  hashSeed: 0,
};
