// The filters behind the check: what they can still change of a request that was authorized.

import type { CheckFilter, Expected, Report } from "./check-filter.ts";
import type { FindingCode } from "./findings.ts";
import { mutated } from "./routes.ts";
import { findSplice } from "./splice.ts";
import { at, field, flag, list, type Node, text, typed, typeOf } from "./tree.ts";

/**
 * Filters that leave the request's body and path alone, by the package of their configuration: they count, limit, log, look
 * at responses, or check credentials.
 */
const harmless: ReadonlySet<string> = new Set([
  ...["router", "cors", "csrf", "rbac", "local_ratelimit", "ratelimit", "rate_limit_quota"],
  ...["compressor", "buffer", "fault", "health_check", "tap", "ip_tagging", "geoip", "on_demand"],
  ...["admission_control", "adaptive_concurrency", "bandwidth_limit", "grpc_stats", "grpc_web"],
  ...["stateful_session", "cache", "cache_v2", "custom_response", "set_metadata", "upstream_codec"],
  ...["header_to_metadata", "json_to_metadata", "set_filter_state", "jwt_authn", "basic_auth"],
  ...["api_key_auth", "oauth2", "credential_injector", "gcp_authn", "stats", "metadata_exchange"],
  ...["grpc_field_extraction", "peer_metadata", "alpn", "connect_authority"],
]);

/** Filters that write the body. */
const bodyWriters: ReadonlySet<string> = new Set([
  ...[
    "grpc_json_transcoder",
    "grpc_json_reverse_transcoder",
    "grpc_http1_bridge",
    "wasm",
    "golang",
  ],
  ...["grpc_http1_reverse_bridge", "dynamic_modules", "file_system_buffer", "proto_api_scrubber"],
  ...["proto_message_extraction", "transform", "ext_proc", "aws_lambda"],
]);

export function examineFiltersAfter(
  filters: readonly Node[],
  check: CheckFilter,
  { place, expected, report }: { place: string; expected: Expected; report: Report },
): void {
  const splice = check.mode === "ext_authz" ? findSplice(filters) : undefined;
  for (const [index, filter] of filters.entries()) {
    if (index <= check.index || index === splice?.index) continue;
    const name = text(filter, "name") ?? `filter ${index + 1}`;
    const say = (code: FindingCode, found?: string): void =>
      report(code, `${place}, filter ${name}`, found);
    if (flag(filter, "disabled")) continue;
    const config = typed(filter);
    if (config === undefined) {
      if (!/router$/.test(name)) say("filter_after_unknown", "its configuration is not here");
      continue;
    }
    examineOne(config, { expected, say });
  }
}

type Say = (code: FindingCode, found?: string) => void;

function examineOne(config: Node, { expected, say }: { expected: Expected; say: Say }): void {
  const name = packageOf(config);
  if (clearsRoute(config, name)) say("route_changed_after");
  switch (name) {
    case "decompressor":
      say("decompressor_after");
      return;
    case "header_mutation": {
      const changed = list(at(config, "mutations"), "request_mutations").flatMap(mutated);
      const bad = changed.find((each) => isOurs(each, expected));
      if (bad !== undefined) say("headers_changed_after", bad);
      return;
    }
    case "lua":
      say("body_changed_after", "a Lua script that is not the splice");
      return;
    case "dynamic_forward_proxy":
      say("host_by_caller", name);
      return;
    default:
      if (bodyWriters.has(name)) say("body_changed_after", name);
      else if (!harmless.has(name)) say("filter_after_unknown", name === "" ? "no type" : name);
  }
}

/** The extension that a configuration is of: `jwt_authn` of `envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication`. */
function packageOf(config: Node): string {
  const url = config["@type"];
  const parts = typeof url === "string" ? url.split(".") : [];
  const name = parts.findLast((part, index) => index < parts.length - 1 && !/^v[0-9]/.test(part));
  return name ?? "";
}

function clearsRoute(config: Node, name: string): boolean {
  if (flag(config, "clear_route_cache")) return true;
  if (name === "ext_proc") {
    return (
      field(config, "route_cache_action") === "CLEAR" || field(config, "route_cache_action") === 1
    );
  }
  return false;
}

/** Whether a header must stay behind the check as the authorizer left it. */
export function isOurs(name: string, { modelHeaders }: Expected): boolean {
  if (modelHeaders.includes(name) || name.startsWith("x-aliasguard-")) return true;
  return [":path", ":method", "content-length", "content-type", "transfer-encoding"].includes(name);
}

/** What stands before the check and holds it up, or keeps it from seeing what the backend gets. */
export function examineFiltersBefore(
  filters: readonly Node[],
  check: CheckFilter,
  { place, report }: { place: string; report: Report },
): void {
  for (const filter of filters.slice(0, check.index)) {
    if (typeOf(typed(filter)) === "Buffer") {
      report("buffer_before_check", `${place}, filter ${text(filter, "name") ?? "buffer"}`);
    }
  }
}
