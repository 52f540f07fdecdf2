// The filter that asks the authorizer: which one it is, and every setting of it that breaks or weakens the promise.

import type { FindingCode } from "./findings.ts";
import {
  at,
  enumOf,
  field,
  flag,
  type Node,
  nodeOf,
  numberOf,
  seconds,
  text,
  typed,
  typeOf,
} from "./tree.ts";

export type Mode = "ext_authz" | "ext_proc";

export type CheckFilter = {
  readonly mode: Mode;
  /** Its place among the filters of the chain. */
  readonly index: number;
  /** Names under which routes may override it. */
  readonly names: readonly string[];
  readonly config: Node;
  /** undefined: it is not asked by gRPC. */
  readonly cluster: string | undefined;
};

export type Report = (code: FindingCode, place: string, found?: string) => void;

/** What the authorizer is set to, as far as Envoy must fit it. */
export type Expected = {
  /** The authorizer's setting body-bytes-max. */
  readonly bodyBytesMax: number;
  /** The authorizer's setting model-headers, the first of which routes match on. */
  readonly modelHeaders: readonly string[];
  /** Whether bodies are edited: the authorizer's setting body-edits is not header-only. */
  readonly editsBodies: boolean;
  /** The cluster of the authorizer; undefined: the one that looks like it. */
  readonly authorizerCluster: string | undefined;
};

const modes: Readonly<Record<string, Mode>> = {
  ExtAuthz: "ext_authz",
  ExternalProcessor: "ext_proc",
};

/**
 * The check among the filters of a chain: the one that asks the named cluster, else one whose cluster is named like an
 * authorizer, else the only one there is.
 */
export function findCheck(
  filters: readonly Node[],
  { authorizerCluster }: Expected,
): CheckFilter | undefined {
  const candidates = filters.flatMap((filter, index) => toCheck(filter, index) ?? []);
  if (authorizerCluster !== undefined) {
    return candidates.find(({ cluster }) => cluster === authorizerCluster);
  }
  const named = candidates.find(({ cluster = "" }) => /aliasguard|authorizer/i.test(cluster));
  return named ?? (candidates.length === 1 ? candidates[0] : undefined);
}

function toCheck(filter: Node, index: number): CheckFilter | undefined {
  const outer = typed(filter);
  const config = typeOf(outer) === "ExtensionWithMatcher" ? innerOf(outer) : outer;
  const mode = modes[typeOf(config)];
  if (mode === undefined || config === undefined) return undefined;
  const grpc = at(config, "grpc_service");
  const cluster =
    text(at(grpc, "envoy_grpc"), "cluster_name") ?? text(at(grpc, "google_grpc"), "target_uri");
  const name = text(filter, "name") ?? "";
  return { mode, index, names: [name, `envoy.filters.http.${mode}`], config, cluster };
}

function innerOf(outer: Node | undefined): Node | undefined {
  return typed(at(outer, "extension_config"));
}

/** 64 KiB: what each limit has above the one before it. */
const limitStep = 65_536;

/** Most bytes that a request may have where Envoy buffers it for the check. */
export function bufferWanted(mode: Mode, { bodyBytesMax }: Expected): number {
  // Over ext_authz there is max_request_bytes in between.
  return bodyBytesMax + (mode === "ext_authz" ? 2 : 1) * limitStep;
}

/** Seconds that a check of the largest body needs on a busy machine, with room to spare. */
const timeoutWantedS = 2;

export function examineCheck(
  filter: Node,
  check: CheckFilter,
  { place, expected, report }: { place: string; expected: Expected; report: Report },
): void {
  const { config, mode, cluster } = check;
  if (flag(filter, "disabled")) report("check_disabled", place, "disabled: true");
  if (typeOf(typed(filter)) === "ExtensionWithMatcher") report("check_conditional", place);
  for (const name of ["filter_enabled", "filter_enabled_metadata", "deny_at_disable"]) {
    if (field(config, name) !== undefined && !isAlways(config, name)) {
      report("check_sampled", place, name);
    }
  }
  for (const name of ["observability_mode", "shadow_mode"]) {
    if (flag(config, name)) report("check_shadowed", place, name);
  }
  if (flag(config, "failure_mode_allow")) report("failures_allowed", place);
  if (field(config, "http_service") !== undefined || cluster === undefined) {
    report("check_not_grpc", place);
  }
  for (const name of ["allowed_headers", "disallowed_headers", "forward_rules"]) {
    if (field(config, name) !== undefined) report("headers_filtered", place, name);
  }
  const rules = mode === "ext_authz" ? "decoder_header_mutation_rules" : "mutation_rules";
  examineMutationRules(at(config, rules), mode, (code, found) => report(code, place, found));
  if (mode === "ext_authz") examineExtAuthz(config, place, { expected, report });
  else examineExtProc(config, place, report);
}

/** A runtime fraction that is all, and not only by default. */
function isAlways(config: Node, name: string): boolean {
  const fraction = at(config, name, "default_value");
  if (name !== "filter_enabled" || fraction === undefined) return false;
  if (text(at(config, name), "runtime_key") !== undefined) return false;
  const units: Readonly<Record<string, number>> = {
    HUNDRED: 100,
    TEN_THOUSAND: 10_000,
    MILLION: 1_000_000,
  };
  const unit = enumOf(fraction, "denominator", ["HUNDRED", "TEN_THOUSAND", "MILLION"]) ?? "HUNDRED";
  return numberOf(fraction, "numerator") === units[unit];
}

function examineMutationRules(
  rules: Node | undefined,
  mode: Mode,
  report: (code: FindingCode, found?: string) => void,
): void {
  for (const name of ["disallow_all", "disallow_system"]) {
    if (flag(rules, name)) report("mutations_refused", name);
  }
  for (const name of ["disallow_expression", "allow_expression"]) {
    if (field(rules, name) !== undefined) report("mutations_refused", name);
  }
  if (mode === "ext_proc" && !flag(rules, "disallow_is_error")) report("mutations_ignored");
}

function examineExtAuthz(
  config: Node,
  place: string,
  { expected, report }: { expected: Expected; report: Report },
): void {
  const body = at(config, "with_request_body");
  if (body === undefined) report("body_not_sent", place);
  else examineBody(body, place, { expected, report });
  const timeout = seconds(at(config, "grpc_service"), "timeout") ?? 0.2;
  // 0s waits for ever: slow, but never unchecked.
  if (timeout > 0 && timeout < timeoutWantedS) report("timeout_short", place, `${timeout}s`);
}

/** `with_request_body`, of the filter or of a route. */
export function examineBody(
  body: Node,
  place: string,
  { expected, report }: { expected: Expected; report: Report },
): void {
  if (flag(body, "allow_partial_message")) report("body_partial", place);
  if (!flag(body, "pack_as_bytes")) report("body_as_text", place);
  const bytes = numberOf(body, "max_request_bytes") ?? 0;
  const wanted = expected.bodyBytesMax + limitStep;
  if (bytes < wanted) {
    report("limits_out_of_order", place, `max_request_bytes ${bytes}, wanted ${wanted}`);
  }
}

const headerModes = ["DEFAULT", "SEND", "SKIP"];
const bodyModes = [
  "NONE",
  "STREAMED",
  "BUFFERED",
  "BUFFERED_PARTIAL",
  "FULL_DUPLEX_STREAMED",
  "GRPC",
];

/** `processing_mode`, of the filter or of a route. */
export function examineProcessingMode(mode: Node | undefined, place: string, report: Report): void {
  const headers = enumOf(mode, "request_header_mode", headerModes) ?? "DEFAULT";
  if (headers === "SKIP") report("header_mode", place, headers);
  const body = enumOf(mode, "request_body_mode", bodyModes) ?? "NONE";
  if (body === "NONE") report("body_not_sent", place, `request_body_mode ${body}`);
  else if (body !== "BUFFERED") report("body_mode", place, body);
}

function examineExtProc(config: Node, place: string, report: Report): void {
  examineProcessingMode(at(config, "processing_mode"), place, report);
  const timeout = seconds(config, "message_timeout") ?? 0.2;
  if (timeout > 0 && timeout < timeoutWantedS) report("timeout_short", place, `${timeout}s`);
  const stream = seconds(at(config, "grpc_service"), "timeout") ?? 0;
  if (stream > 0 && stream < 60) report("stream_timeout_short", place, `${stream}s`);
  if (!flag(config, "allow_mode_override")) report("mode_override_off", place);
  const action = enumOf(config, "route_cache_action", ["DEFAULT", "CLEAR", "RETAIN"]);
  if (action === "RETAIN" || flag(config, "disable_clear_route_cache")) report("route_kept", place);
}

/** What a route, a host or the whole configuration says of the check. */
export function examineOverride(
  { place, config }: { readonly place: string; readonly config: Node },
  mode: Mode,
  { expected, report }: { expected: Expected; report: Report },
): void {
  const inner = typeOf(config) === "FilterConfig" ? typed(config, "config") : undefined;
  for (const each of [config, inner]) {
    if (each === undefined) continue;
    if (flag(each, "disabled")) report("check_disabled", place);
    const overrides = mode === "ext_authz" ? at(each, "check_settings") : at(each, "overrides");
    if (overrides === undefined) continue;
    if (flag(overrides, "failure_mode_allow")) report("failures_allowed", place);
    if (flag(overrides, "disable_request_body_buffering")) report("body_not_sent", place);
    const body = at(overrides, "with_request_body");
    if (body !== undefined) examineBody(body, place, { expected, report });
    if (at(overrides, "processing_mode") !== undefined) {
      examineProcessingMode(at(overrides, "processing_mode"), place, report);
    }
    if (nodeOf(field(overrides, "http_service")) !== undefined) report("check_not_grpc", place);
  }
}

/** Clusters that an override asks in place of the filter's own. */
export function overrideClusters(config: Node): readonly string[] {
  return [at(config, "check_settings"), at(config, "overrides")].flatMap(
    (each) => text(at(each, "grpc_service", "envoy_grpc"), "cluster_name") ?? [],
  );
}
