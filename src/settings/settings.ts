// Flags and environment -> Settings, or everything that is wrong with them. One closed list, which docs/reference prints.

import { isBodyField, isRefusableField } from "../core/body/field-table.ts";
import type { DecisionSettings } from "../core/decision-settings.ts";
import { keyCarriers } from "../core/http/credential.ts";
import { type CatalogueWord, catalogueWords } from "../core/permission/snapshot.ts";
import { isListenAddress, isParameterName, isTcpAddress } from "./grammar.ts";
import { readHttpSettings, readRoutes } from "./http-settings.ts";
import {
  createSettingReader,
  matches,
  readConfigMap,
  readFlags,
  readModelHeaders,
  readSetting,
  type SettingName,
  type SettingReader,
  type SettingText,
  unknownVariables,
} from "./input.ts";
import { row, type SettingRow } from "./row.ts";
import { readTls, type TlsSettings, tlsRows } from "./tls.ts";

export type { SettingRow } from "./row.ts";

export const settingRows = [
  row(
    "policy",
    "",
    "File or directory of policy manifests; beside policy-configmap a mounted copy of that, to start from.",
  ),
  row(
    "policy-configmap",
    "",
    "NAMESPACE/NAME of the ConfigMap that a controller writes; watched, so Kubernetes is needed.",
  ),
  row(
    "catalogue",
    "open",
    "open, or closed: only models that are catalogued (kind Model) can run. For policies from files; a ConfigMap says it itself.",
  ),
  row(
    "listen",
    "127.0.0.1:9191",
    "Where Envoy asks: host:port or unix:/path; several with commas or flags.",
  ),
  row("admin", "127.0.0.1:9192", "Where /healthz, /readyz and /metrics answer."),
  row("log-level", "info", "debug, info, warn, error or silent."),
  row("log-allow-sample", "1", "Share of allows that are logged, 0 to 1. Every refusal is."),
  row("model-headers", "x-model", "Request headers that carry the resolved model, with commas."),
  row(
    "body-bytes-max",
    "33554432",
    "Longest request body in bytes; below Envoy's max_request_bytes.",
  ),
  row("accept-text-body", "false", "Take bodies that Envoy sends without pack_as_bytes."),
  row(
    "body-edits",
    "splice",
    "splice, or header-only for backends that Envoy chooses by the header alone.",
  ),
  row(
    "keep-credentials",
    "false",
    "Leave the caller's key on the request to the backend, and the headers that name its account.",
  ),
  row(
    "key-carriers",
    keyCarriers.join(","),
    "Where the key may stand, with commas; the others are the backend's affair and pass as they are.",
  ),
  row(
    "forward-headers",
    "",
    "More request headers for the backend, which gets only known ones: x-tenant,x-acme-*.",
  ),
  row(
    "upstream-credentials",
    "",
    "Folder with a file for each credential that backends want in place of the caller's key.",
  ),
  row(
    "path-prefixes",
    "/v1,=/v1,/openai/v1=/v1,/anthropic/v1=/v1,/api/v1",
    "Prefixes of the OpenAI and Anthropic paths; an empty one is none. PREFIX=CANONICAL: what the backend gets in its place.",
  ),
  row(
    "realtime",
    "false",
    "Serve GET /v1/realtime, whose frames nobody checks: they can change the model.",
  ),
  row(
    "unchecked-routes",
    "",
    "Routes to let through with a valid key, whatever they carry: GET /v1/files,GET /v1/files/{id}.",
  ),
  row(
    "model-routes",
    "",
    "More paths to check, whose body names the model: POST /tokenize,POST /v1/score openai. The dialect is openai unless said.",
  ),
  row("query-parameters", "", "More query parameters to allow on every path, with commas."),
  row(
    "body-fields",
    "",
    "Unknown or refused body fields to let through all the same, with commas: top_k,metadata.tags.",
  ),
  row(
    "refused-fields",
    "",
    "Known body fields to refuse all the same, with commas: mcp_servers,container,tools[].type=mcp.",
  ),
  row(
    "response-model",
    "ignore",
    "Over ext_proc: ignore, count responses by the model that they name, or requested: count, and show the caller's name in its place. ext_authz sees no response.",
  ),
  row(
    "in-flight-bytes-max",
    "268435456",
    "Bytes of checks that are read at a time, by their real length.",
  ),
  row(
    "waiting-checks-max",
    "4096",
    "Checks that may wait for their turn; more are refused with 503.",
  ),
  row("concurrent-streams-max", "512", "Checks at a time on one connection."),
  row("socket-mode", "666", "Mode of the Unix socket, octal: Envoy often runs as another user."),
  row("drain-delay-ms", "5000", "Milliseconds between SIGTERM and the last new check."),
  ...tlsRows,
] as const satisfies readonly SettingRow[];

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export type Settings = {
  /** Path of the manifests; where a ConfigMap is the source, of a mounted copy of it, or empty. */
  readonly policy: string;
  readonly policyConfigMap: { readonly namespace: string; readonly name: string } | undefined;
  /** Of a policy from files. */
  readonly catalogue: CatalogueWord;
  readonly listen: readonly string[];
  readonly admin: string;
  readonly logLevel: LogLevel;
  readonly logAllowSample: number;
  /** A folder; undefined: backends get no credential from us. */
  readonly upstreamCredentials: string | undefined;
  readonly decision: Omit<DecisionSettings, "hashSeed">;
  /** What is done with the model that a response names. */
  readonly responseModel: "ignore" | "count" | "requested";
  readonly inFlightBytesMax: number;
  readonly waitingChecksMax: number;
  readonly concurrentStreamsMax: number;
  readonly socketMode: number;
  readonly drainDelayMs: number;
  /** undefined: TCP addresses speak plain text, as Unix sockets always do. */
  readonly tls: TlsSettings | undefined;
};

/** `unknownVariables`: names that look like ours and are not; a word to the operator, for they are often misspellings. */
export type SettingsResult =
  | {
      readonly ok: true;
      readonly settings: Settings;
      readonly unknownVariables: readonly string[];
    }
  | { readonly ok: false; readonly issues: readonly string[] };

export type DecisionSettingsResult =
  | { readonly ok: true; readonly settings: DecisionSettings }
  | { readonly ok: false; readonly issues: readonly string[] };

type Env = Readonly<Record<string, string | undefined>>;
type Flag = (typeof settingRows)[number]["flag"];

/** Reads the flags of `serve` and the environment. Gives every issue at once; each names the flag and what it found. */
export function readSettings(args: readonly string[], env: Env): SettingsResult {
  const issues: string[] = [];
  const flags = settingRows.map(({ flag }) => flag);
  const given = readFlags(args, { flags, lists: listFlags, issues });
  const read = createLookup(given, env);
  const reader = createSettingReader(issues);
  const policy = read("policy");
  const configMap = read("policy-configmap");
  if (policy.text === "" && configMap.text === "") {
    issues.push(`${policy.name} or ${configMap.name} is required: where the policy is`);
  }
  const settings: Settings = {
    policy: policy.text,
    policyConfigMap: configMap.text === "" ? undefined : readConfigMap(configMap, reader),
    catalogue: reader.choice(read("catalogue"), catalogueWords),
    listen: reader.list(read("listen"), isListenAddress, "host:port or unix:/path"),
    admin: reader.one(read("admin"), isTcpAddress, "host:port"),
    logLevel: reader.choice(read("log-level"), logLevels),
    logAllowSample: reader.number(read("log-allow-sample"), { min: 0, max: 1, whole: false }),
    upstreamCredentials: read("upstream-credentials").text || undefined,
    decision: readDecision(read, reader),
    responseModel: reader.choice(read("response-model"), responseModels),
    inFlightBytesMax: reader.number(read("in-flight-bytes-max"), { min: 1, max: 2 ** 40 }),
    waitingChecksMax: reader.number(read("waiting-checks-max"), { min: 0, max: 1_000_000 }),
    concurrentStreamsMax: reader.number(read("concurrent-streams-max"), { min: 1, max: 100_000 }),
    socketMode: Number.parseInt(
      reader.one(read("socket-mode"), matches(/^0?[0-7]{3}$/), "three octal digits"),
      8,
    ),
    drainDelayMs: reader.number(read("drain-delay-ms"), { min: 0, max: 3_600_000 }),
    tls: readTls(read, reader, issues),
  };
  if (issues.length > 0) return { ok: false, issues };
  return { ok: true, settings, unknownVariables: unknownVariables(env, variables) };
}

/** The flags that a decision depends on; `check` takes them too, to decide as the server would. */
export const decisionFlags = [
  "model-headers",
  "body-bytes-max",
  "accept-text-body",
  "body-edits",
  "keep-credentials",
  "key-carriers",
  "forward-headers",
  "path-prefixes",
  "realtime",
  "unchecked-routes",
  "model-routes",
  "query-parameters",
  "body-fields",
  "refused-fields",
] as const satisfies readonly Flag[];

/** For one decision in this process: `given` holds flags by name; the key hash needs no seed. */
export function readDecisionSettings(
  given: ReadonlyMap<string, string>,
  env: Env,
): DecisionSettingsResult {
  const issues: string[] = [];
  const decision = readDecision(createLookup(given, env), createSettingReader(issues));
  return issues.length > 0
    ? { ok: false, issues }
    : { ok: true, settings: { ...decision, hashSeed: 0 } };
}

const responseModels = ["ignore", "count", "requested"] as const;
const logLevels = ["debug", "info", "warn", "error", "silent"] as const;

/**
 * Largest `body-bytes-max`, 510 MiB: one string of Node holds at most 2^29 - 24 characters, so a longer body sent as text
 * could not even be refused for what it is; a message is at most 2^32 bytes.
 */
export const bodyBytesMaxLimit = 510 * 1024 * 1024;

function readDecision(
  read: (flag: Flag) => SettingText,
  reader: SettingReader,
): Omit<DecisionSettings, "hashSeed"> {
  const trueFalse = ["true", "false"] as const;
  const modelHeaders = readModelHeaders(read("model-headers"), reader);
  return {
    modelHeaders,
    ...readHttpSettings(read, reader, modelHeaders),
    bodyBytesMax: reader.number(read("body-bytes-max"), { min: 1, max: bodyBytesMaxLimit }),
    acceptTextBody: reader.choice(read("accept-text-body"), trueFalse) === "true",
    bodyEdits: reader.choice(read("body-edits"), ["splice", "header-only"] as const),
    keepCredentials: reader.choice(read("keep-credentials"), trueFalse) === "true",
    queryParameters: new Set(
      reader.optional(
        read("query-parameters"),
        isParameterName,
        "a parameter's name that names no model",
      ),
    ),
    bodyFields: new Set(
      reader.optional(
        read("body-fields"),
        isBodyField,
        "the name of a body field, such as api_base or metadata.langfuse_*, and not model",
      ),
    ),
    refusedFields: new Set(
      reader.optional(
        read("refused-fields"),
        isRefusableField,
        "the name of a body field or tools[].type=TYPE, and not model",
      ),
    ),
  };
}

/** That setting alone, for `lint`, which warns of each route. */
export function readUncheckedRoutes(
  given: ReadonlyMap<string, string>,
  env: Env,
): { readonly routes: readonly string[]; readonly issues: readonly string[] } {
  const issues: string[] = [];
  const text = createLookup(given, env)("unchecked-routes");
  return { routes: readRoutes(text, createSettingReader(issues)), issues };
}

/** That setting alone, for commands that compile a policy and do not serve it. */
export function readCatalogue(
  given: string | undefined,
  env: Env,
): { readonly catalogue: CatalogueWord; readonly issues: readonly string[] } {
  const issues: string[] = [];
  const flags = new Map(given === undefined ? [] : [["catalogue", given] as const]);
  const text = createLookup(flags, env)("catalogue");
  return { catalogue: createSettingReader(issues).choice(text, catalogueWords), issues };
}

const variables: ReadonlySet<string> = new Set(settingRows.map(({ variable }) => variable));

const listFlags: ReadonlySet<string> = new Set([
  ...["listen", "model-headers", "path-prefixes", "query-parameters", "body-fields"],
  ...["refused-fields", "unchecked-routes", "model-routes", "key-carriers", "forward-headers"],
  "tls-client-names",
]);

function createLookup(given: ReadonlyMap<string, string>, env: Env): (flag: Flag) => SettingText {
  const names = new Map<Flag, SettingName>(settingRows.map((each) => [each.flag, each]));
  return (flag) => {
    const known = names.get(flag);
    if (known === undefined) throw new Error(`there is no setting ${flag}`);
    return readSetting(known, given, env);
  };
}
