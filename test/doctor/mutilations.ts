// Ways of breaking a good configuration, each by one change, and what the doctor must say of it.

import { readFileSync } from "node:fs";
import type { FindingCode } from "../../src/doctor/findings.ts";
import { envoyConfig, type Mode, spliceFile } from "../support/envoy-config.ts";

export type Json = { [name: string]: unknown };

/** The parts of a bootstrap of deploy/envoy that mutilations change. */
export type Parts = {
  readonly root: Json;
  readonly listener: Json;
  readonly manager: Json;
  readonly filters: Json[];
  /** The configuration of the check. */
  readonly check: Json;
  readonly lua: Json | undefined;
  readonly host: Json;
  readonly routes: Json[];
  /** The route that forwards to the backend. */
  readonly forwarding: Json;
  readonly clusters: Json[];
};

export const as = (value: unknown): Json => value as Json;
const many = (value: unknown): Json[] => value as Json[];

/** A good configuration with its script in place, taken apart. */
export function goodConfig(mode: Mode): Parts {
  const root = envoyConfig([], mode) as Json;
  const resources = as(root["static_resources"]);
  const listener = as(many(resources["listeners"])[0]);
  const chain = as(many(listener["filter_chains"])[0]);
  const manager = as(as(many(chain["filters"])[0])["typed_config"]);
  const filters = many(manager["http_filters"]);
  const check = as(filters.find((each) => each["name"] === `envoy.filters.http.${mode}`));
  const lua = filters.find((each) => each["name"] === "envoy.filters.http.lua");
  if (lua !== undefined) {
    as(lua["typed_config"])["default_source_code"] = {
      inline_string: readFileSync(spliceFile, "utf8"),
    };
  }
  const host = as(many(as(manager["route_config"])["virtual_hosts"])[0]);
  const routes = many(host["routes"]);
  const forwarding = as(routes.find((each) => as(each["route"] ?? {})["cluster"] === "backend"));
  return {
    ...{ root, listener, manager, filters, host, routes, forwarding },
    check: as(check["typed_config"]),
    lua,
    clusters: many(resources["clusters"]),
  };
}

export type Mutilation = {
  readonly name: string;
  readonly code: FindingCode;
  /** Default: both. */
  readonly mode?: Mode;
  readonly change: (parts: Parts) => void;
};

const type = (name: string): string => `type.googleapis.com/envoy.extensions.filters.http.${name}`;

/** Puts a filter between the check and the router. */
function addFilter({ filters }: Parts, name: string, config: Json): void {
  filters.splice(filters.length - 1, 0, { name, typed_config: config });
}

function filterOf({ filters, check }: Parts): Json {
  return as(filters.find((each) => each["typed_config"] === check));
}

function perRoute(holder: Json, mode: Mode, config: Json): void {
  holder["typed_per_filter_config"] = { [`envoy.filters.http.${mode}`]: config };
}

const disabled = { "@type": type("ext_authz.v3.ExtAuthzPerRoute"), disabled: true };
const disabledProc = { "@type": type("ext_proc.v3.ExtProcPerRoute"), disabled: true };

function clusterOf({ clusters }: Parts, name: string): Json {
  return as(clusters.find((each) => each["name"] === name));
}

function secondListener({ root, listener }: Parts, filters: readonly Json[]): void {
  const copy = structuredClone(listener);
  copy["name"] = "second";
  const manager = as(as(many(as(many(copy["filter_chains"])[0])["filters"])[0])["typed_config"]);
  manager["http_filters"] = filters;
  many(as(root["static_resources"])["listeners"]).push(copy);
}

const router: Json = {
  name: "envoy.filters.http.router",
  typed_config: { "@type": type("router.v3.Router") },
};

const early = (parts: Parts): Json[] =>
  many(
    as(as(many(parts.manager["early_header_mutation_extensions"])[0])["typed_config"])["mutations"],
  );

export const mutilations: readonly Mutilation[] = [
  // The check.
  {
    name: "the check is gone",
    code: "check_missing",
    change: ({ filters, check }) => {
      filters.splice(
        filters.findIndex((each) => each["typed_config"] === check),
        1,
      );
    },
  },
  {
    name: "the check is disabled until a route enables it",
    code: "check_disabled",
    change: (parts) => {
      filterOf(parts)["disabled"] = true;
    },
  },
  {
    name: "a route switches the check off",
    code: "check_disabled",
    mode: "ext_authz",
    change: ({ forwarding }) => perRoute(forwarding, "ext_authz", disabled),
  },
  {
    name: "a route switches the check off, over ext_proc",
    code: "check_disabled",
    mode: "ext_proc",
    change: ({ forwarding }) => perRoute(forwarding, "ext_proc", disabledProc),
  },
  {
    name: "the catch-all switches the check off, where requests begin",
    code: "check_disabled",
    mode: "ext_authz",
    change: ({ routes }) => perRoute(as(routes.at(-1)), "ext_authz", disabled),
  },
  {
    name: "the virtual host switches the check off",
    code: "check_disabled",
    mode: "ext_authz",
    change: ({ host }) => perRoute(host, "ext_authz", disabled),
  },
  {
    name: "a FilterConfig switches the check off",
    code: "check_disabled",
    mode: "ext_proc",
    change: ({ host }) =>
      perRoute(host, "ext_proc", {
        "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
        disabled: true,
      }),
  },
  {
    name: "a route asks another processor",
    code: "check_disabled",
    mode: "ext_proc",
    change: ({ host }) =>
      perRoute(host, "ext_proc", {
        "@type": type("ext_proc.v3.ExtProcPerRoute"),
        overrides: { grpc_service: { envoy_grpc: { cluster_name: "backend" } } },
      }),
  },
  {
    name: "half of the requests are checked",
    code: "check_sampled",
    mode: "ext_authz",
    change: ({ check }) => {
      check["filter_enabled"] = { default_value: { numerator: 50, denominator: "HUNDRED" } };
    },
  },
  {
    name: "metadata decides whether to check",
    code: "check_sampled",
    mode: "ext_authz",
    change: ({ check }) => {
      check["filter_enabled_metadata"] = { filter: "x", path: [{ key: "y" }], value: {} };
    },
  },
  {
    name: "a matcher decides whether to check",
    code: "check_conditional",
    change: (parts) => {
      const filter = filterOf(parts);
      filter["typed_config"] = {
        "@type": "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        extension_config: { name: "check", typed_config: parts.check },
        xds_matcher: {},
      };
    },
  },
  {
    name: "the processor only watches",
    code: "check_shadowed",
    mode: "ext_proc",
    change: ({ check }) => {
      check["observability_mode"] = true;
    },
  },
  {
    name: "the authorizer is asked over HTTP",
    code: "check_not_grpc",
    mode: "ext_authz",
    change: ({ check }) => {
      delete check["grpc_service"];
      check["http_service"] = { server_uri: { uri: "a", cluster: "authorizer", timeout: "5s" } };
    },
  },
  {
    name: "failures are allowed",
    code: "failures_allowed",
    change: ({ check }) => {
      check["failure_mode_allow"] = true;
    },
  },
  {
    name: "failures are allowed on a route",
    code: "failures_allowed",
    mode: "ext_proc",
    change: ({ forwarding }) =>
      perRoute(forwarding, "ext_proc", {
        "@type": type("ext_proc.v3.ExtProcPerRoute"),
        overrides: { failure_mode_allow: true },
      }),
  },
  {
    name: "the body is not sent",
    code: "body_not_sent",
    mode: "ext_authz",
    change: ({ check }) => {
      delete check["with_request_body"];
    },
  },
  {
    name: "the body is not sent over ext_proc",
    code: "body_not_sent",
    mode: "ext_proc",
    change: ({ check }) => {
      as(check["processing_mode"])["request_body_mode"] = "NONE";
    },
  },
  {
    name: "a route does not send the body",
    code: "body_not_sent",
    mode: "ext_authz",
    change: ({ forwarding }) =>
      perRoute(forwarding, "ext_authz", {
        "@type": type("ext_authz.v3.ExtAuthzPerRoute"),
        check_settings: { disable_request_body_buffering: true },
      }),
  },
  {
    name: "partial bodies",
    code: "body_partial",
    mode: "ext_authz",
    change: ({ check }) => {
      as(check["with_request_body"])["allow_partial_message"] = true;
    },
  },
  {
    name: "a route sends partial bodies",
    code: "body_partial",
    mode: "ext_authz",
    change: ({ host }) =>
      perRoute(host, "ext_authz", {
        "@type": type("ext_authz.v3.ExtAuthzPerRoute"),
        check_settings: {
          with_request_body: {
            max_request_bytes: 33_619_968,
            pack_as_bytes: true,
            allow_partial_message: true,
          },
        },
      }),
  },
  {
    name: "bodies as text",
    code: "body_as_text",
    mode: "ext_authz",
    change: ({ check }) => {
      delete as(check["with_request_body"])["pack_as_bytes"];
    },
  },
  ...(["STREAMED", "BUFFERED_PARTIAL", "FULL_DUPLEX_STREAMED", 1] as const).map(
    (mode): Mutilation => ({
      name: `request_body_mode ${mode}`,
      code: "body_mode",
      mode: "ext_proc",
      change: ({ check }) => {
        as(check["processing_mode"])["request_body_mode"] = mode;
      },
    }),
  ),
  {
    name: "headers are skipped",
    code: "header_mode",
    mode: "ext_proc",
    change: ({ check }) => {
      as(check["processing_mode"])["request_header_mode"] = "SKIP";
    },
  },
  {
    name: "only some headers are shown",
    code: "headers_filtered",
    mode: "ext_authz",
    change: ({ check }) => {
      check["allowed_headers"] = { patterns: [{ exact: "authorization" }] };
    },
  },
  {
    name: "some headers are not forwarded",
    code: "headers_filtered",
    mode: "ext_proc",
    change: ({ check }) => {
      check["forward_rules"] = { disallowed_headers: { patterns: [{ prefix: "x-" }] } };
    },
  },
  {
    name: "no change is allowed",
    code: "mutations_refused",
    mode: "ext_proc",
    change: ({ check }) => {
      check["mutation_rules"] = { disallow_all: true, disallow_is_error: true };
    },
  },
  {
    name: "the path may not be changed",
    code: "mutations_refused",
    mode: "ext_authz",
    change: ({ check }) => {
      check["decoder_header_mutation_rules"] = { disallow_system: true };
    },
  },
  {
    name: "what may not be changed is left out in silence",
    code: "mutations_ignored",
    mode: "ext_proc",
    change: ({ check }) => {
      delete as(check["mutation_rules"])["disallow_is_error"];
    },
  },
  {
    name: "the route is kept over ext_proc",
    code: "route_kept",
    mode: "ext_proc",
    change: ({ check }) => {
      check["route_cache_action"] = "RETAIN";
    },
  },
  {
    name: "the check may take 200 ms",
    code: "timeout_short",
    mode: "ext_authz",
    change: ({ check }) => {
      delete as(check["grpc_service"])["timeout"];
    },
  },
  {
    name: "a message may take 200 ms",
    code: "timeout_short",
    mode: "ext_proc",
    change: ({ check }) => {
      delete check["message_timeout"];
    },
  },
  {
    name: "a stream may take 10 s",
    code: "stream_timeout_short",
    mode: "ext_proc",
    change: ({ check }) => {
      as(check["grpc_service"])["timeout"] = "10s";
    },
  },
  {
    name: "no mode override",
    code: "mode_override_off",
    mode: "ext_proc",
    change: ({ check }) => {
      delete check["allow_mode_override"];
    },
  },
  // The splice.
  {
    name: "the splice is gone",
    code: "splice_missing",
    mode: "ext_authz",
    change: ({ filters, lua }) => {
      filters.splice(filters.indexOf(as(lua)), 1);
    },
  },
  {
    name: "a route switches the splice off",
    code: "splice_missing",
    mode: "ext_authz",
    change: ({ forwarding }) => {
      forwarding["typed_per_filter_config"] = {
        "envoy.filters.http.lua": { "@type": type("lua.v3.LuaPerRoute"), disabled: true },
      };
    },
  },
  {
    name: "the splice stands before the check",
    code: "splice_before_check",
    mode: "ext_authz",
    change: ({ filters, lua }) => {
      filters.splice(filters.indexOf(as(lua)), 1);
      filters.unshift(as(lua));
    },
  },
  {
    name: "an old splice",
    code: "splice_differs",
    mode: "ext_authz",
    change: ({ lua }) => {
      const source = as(as(as(lua)["typed_config"])["default_source_code"]);
      source["inline_string"] = String(source["inline_string"]).replace("#edit.new > 0", "true");
    },
  },
  {
    name: "a splice that cannot be seen",
    code: "splice_unseen",
    mode: "ext_authz",
    change: ({ lua }) => {
      as(as(lua)["typed_config"])["default_source_code"] = { filename: "/nowhere/splice.lua" };
    },
  },
  {
    name: "neither a splice nor a new route",
    code: "route_kept",
    mode: "ext_authz",
    change: ({ filters, lua, check }) => {
      filters.splice(filters.indexOf(as(lua)), 1);
      delete check["clear_route_cache"];
    },
  },
  // What stands behind the check.
  ...(
    [
      ["decompressor", "decompressor.v3.Decompressor", "decompressor_after"],
      ["transcoder", "grpc_json_transcoder.v3.GrpcJsonTranscoder", "body_changed_after"],
      ["wasm", "wasm.v3.Wasm", "body_changed_after"],
      ["second processor", "ext_proc.v3.ExternalProcessor", "body_changed_after"],
      ["golang", "golang.v3alpha.Config", "body_changed_after"],
      ["something new", "something.v9.Invented", "filter_after_unknown"],
      ["second authorization", "ext_authz.v3.ExtAuthz", "filter_after_unknown"],
      ["proxy", "dynamic_forward_proxy.v3.FilterConfig", "host_by_caller"],
    ] as const
  ).map(
    ([name, filterType, code]): Mutilation => ({
      name: `behind the check: ${name}`,
      code,
      change: (parts) => addFilter(parts, name, { "@type": type(filterType) }),
    }),
  ),
  {
    name: "another script behind the check",
    code: "body_changed_after",
    mode: "ext_proc",
    change: (parts) =>
      addFilter(parts, "script", {
        "@type": type("lua.v3.Lua"),
        default_source_code: { inline_string: "function envoy_on_request(h) end" },
      }),
  },
  {
    name: "a filter behind the check sets x-model",
    code: "headers_changed_after",
    change: (parts) =>
      addFilter(parts, "headers", {
        "@type": type("header_mutation.v3.HeaderMutation"),
        mutations: {
          request_mutations: [{ append: { header: { key: "X-Model", value: "gold" } } }],
        },
      }),
  },
  {
    name: "a filter behind the check chooses the route again",
    code: "route_changed_after",
    change: (parts) =>
      addFilter(parts, "jwt", {
        "@type": type("jwt_authn.v3.JwtAuthentication"),
        clear_route_cache: true,
      }),
  },
  {
    name: "a buffer before the check",
    code: "buffer_before_check",
    change: ({ filters }) => {
      filters.unshift({
        name: "buffer",
        typed_config: { "@type": type("buffer.v3.Buffer"), max_request_bytes: 33_619_968 },
      });
    },
  },
  // What is read.
  {
    name: "x-model of callers stays",
    code: "model_header_not_removed",
    change: (parts) => {
      early(parts).shift();
    },
  },
  {
    name: "nothing is removed early",
    code: "model_header_not_removed",
    change: ({ manager }) => {
      delete manager["early_header_mutation_extensions"];
    },
  },
  {
    name: "x-aliasguard-* of callers stay",
    code: "identity_headers_not_removed",
    change: (parts) => {
      early(parts).pop();
    },
  },
  {
    name: "x-model is set early",
    code: "model_header_overwritten",
    change: (parts) => {
      early(parts).push({ append: { header: { key: "x-model", value: "gold" } } });
    },
  },
  {
    name: "paths as they come",
    code: "path_not_normalized",
    change: ({ manager }) => {
      delete manager["normalize_path"];
    },
  },
  {
    name: "slashes as they come",
    code: "slashes_not_merged",
    change: ({ manager }) => {
      delete manager["merge_slashes"];
    },
  },
  ...(["REJECT_REQUEST", "UNESCAPE_AND_FORWARD", 3] as const).map(
    (action): Mutilation => ({
      name: `escaped slashes: ${action}`,
      code: "slashes_unescaped",
      change: ({ manager }) => {
        manager["path_with_escaped_slashes_action"] = action;
      },
    }),
  ),
  {
    name: "underscores in header names",
    code: "underscores_allowed",
    change: ({ manager }) => {
      delete manager["common_http_protocol_options"];
    },
  },
  {
    name: "callers are believed",
    code: "callers_believed",
    change: ({ manager }) => {
      manager["use_remote_address"] = false;
    },
  },
  {
    name: "contradicting lengths",
    code: "lenient_parsing",
    change: ({ manager }) => {
      manager["http_protocol_options"] = { allow_chunked_length: true };
    },
  },
  {
    name: "100-continue is proxied",
    code: "expect_proxied",
    change: ({ manager }) => {
      manager["proxy_100_continue"] = true;
    },
  },
  {
    name: "CONNECT",
    code: "connect_allowed",
    change: ({ manager }) => {
      manager["upgrade_configs"] = [{ upgrade_type: "CONNECT" }];
    },
  },
  {
    name: "upgrades have filters of their own",
    code: "upgrade_unchecked",
    change: ({ manager }) => {
      manager["upgrade_configs"] = [{ upgrade_type: "websocket", filters: [router] }];
    },
  },
  {
    name: "the admin port is open",
    code: "admin_open",
    change: ({ root }) => {
      as(as(as(root["admin"])["address"])["socket_address"])["address"] = "0.0.0.0";
    },
  },
  // Routes.
  {
    name: "the route asks for nothing",
    code: "route_without_model",
    change: ({ forwarding }) => {
      delete as(forwarding["match"])["headers"];
    },
  },
  {
    name: "the route asks that x-model is missing",
    code: "route_without_model",
    change: ({ forwarding }) => {
      as(forwarding["match"])["headers"] = [{ name: "x-model", present_match: false }];
    },
  },
  {
    name: "the route takes what is not x-model: gold",
    code: "route_without_model",
    change: ({ forwarding }) => {
      as(forwarding["match"])["headers"] = [
        { name: "x-model", string_match: { exact: "gold" }, invert_match: true },
      ];
    },
  },
  {
    name: "the route asks for another header",
    code: "route_without_model",
    change: ({ forwarding }) => {
      as(forwarding["match"])["headers"] = [{ name: "x-tenant", present_match: true }];
    },
  },
  {
    name: "one more route, last",
    code: "route_without_model",
    change: ({ routes }) => {
      routes.push({ match: { prefix: "/v1/files" }, route: { cluster: "backend" } });
    },
  },
  {
    name: "the pending route is gone",
    code: "pending_route_missing",
    mode: "ext_authz",
    change: ({ routes }) => {
      routes.shift();
    },
  },
  {
    name: "the pending route forwards",
    code: "pending_route_missing",
    mode: "ext_authz",
    change: ({ routes }) => {
      const [first] = routes;
      delete as(first)["direct_response"];
      as(first)["route"] = { cluster: "backend" };
    },
  },
  {
    name: "the catch-all is gone",
    code: "catch_all_missing",
    change: ({ routes }) => {
      routes.pop();
    },
  },
  {
    name: "the catch-all answers by itself, over ext_proc",
    code: "catch_all_not_forwarding",
    mode: "ext_proc",
    change: ({ routes }) => {
      const last = as(routes.at(-1));
      delete last["route"];
      last["direct_response"] = { status: 503 };
    },
  },
  {
    name: "the cluster stands in a header",
    code: "cluster_by_header",
    change: ({ forwarding }) => {
      forwarding["route"] = { cluster_header: "x-cluster" };
    },
  },
  {
    name: "the host stands in a header",
    code: "host_by_caller",
    change: ({ forwarding }) => {
      as(forwarding["route"])["host_rewrite_header"] = "x-host";
    },
  },
  {
    name: "the destination stands in a header",
    code: "host_by_caller",
    change: (parts) => {
      const backend = clusterOf(parts, "backend");
      backend["type"] = "ORIGINAL_DST";
      backend["lb_policy"] = "CLUSTER_PROVIDED";
      delete backend["load_assignment"];
      backend["original_dst_lb_config"] = { use_http_header: true };
    },
  },
  {
    name: "the host's cluster is a forward proxy",
    code: "host_by_caller",
    change: (parts) => {
      const backend = clusterOf(parts, "backend");
      delete backend["type"];
      delete backend["load_assignment"];
      backend["cluster_type"] = { name: "envoy.clusters.dynamic_forward_proxy" };
    },
  },
  {
    name: "the route sets x-model",
    code: "model_header_overwritten",
    change: ({ forwarding }) => {
      forwarding["request_headers_to_add"] = [{ header: { key: "X-Model", value: "gold" } }];
    },
  },
  {
    name: "the whole configuration removes x-model",
    code: "model_header_overwritten",
    change: ({ manager }) => {
      as(manager["route_config"])["request_headers_to_remove"] = ["x-model"];
    },
  },
  {
    name: "the path is rewritten",
    code: "path_rewritten",
    change: ({ forwarding }) => {
      as(forwarding["route"])["prefix_rewrite"] = "/openai/v1";
    },
  },
  {
    name: "requests are mirrored",
    code: "request_mirrored",
    change: ({ forwarding }) => {
      as(forwarding["route"])["request_mirror_policies"] = [{ cluster: "backend" }];
    },
  },
  {
    name: "redirects are followed",
    code: "redirect_followed",
    change: ({ forwarding }) => {
      as(forwarding["route"])["internal_redirect_policy"] = {};
    },
  },
  {
    name: "retries across clusters",
    code: "retried_elsewhere",
    change: ({ forwarding }) => {
      const clusters = ["backend", "other"].map((name) => ({ name, weight: 1 }));
      forwarding["route"] = {
        weighted_clusters: { clusters },
        retry_policy: { retry_on: "5xx" },
      };
    },
  },
  {
    name: "a cluster of clusters",
    code: "retried_elsewhere",
    change: (parts) => {
      const backend = clusterOf(parts, "backend");
      delete backend["type"];
      backend["cluster_type"] = { name: "envoy.clusters.aggregate" };
    },
  },
  {
    name: "the buffer limit is Envoy's own",
    code: "limits_out_of_order",
    change: ({ host, routes }) => {
      for (const each of [host, ...routes]) {
        delete each["request_body_buffer_limit"];
        delete each["per_request_buffer_limit_bytes"];
      }
    },
  },
  {
    name: "the limit of the check is small",
    code: "limits_out_of_order",
    mode: "ext_authz",
    change: ({ check }) => {
      as(check["with_request_body"])["max_request_bytes"] = 8192;
    },
  },
  {
    name: "a route's limit is small",
    code: "limits_out_of_order",
    change: ({ forwarding }) => {
      forwarding["request_body_buffer_limit"] = 1_048_576;
    },
  },
  // Listeners and clusters.
  {
    name: "a second listener without the check",
    code: "listener_unchecked",
    change: (parts) => secondListener(parts, [router]),
  },
  {
    name: "a TCP proxy to the backend",
    code: "tcp_unchecked",
    change: ({ root }) => {
      many(as(root["static_resources"])["listeners"]).push({
        name: "tcp",
        filter_chains: [
          {
            filters: [
              {
                name: "envoy.filters.network.tcp_proxy",
                typed_config: {
                  "@type":
                    "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                  cluster: "backend",
                },
              },
            ],
          },
        ],
      });
    },
  },
  {
    name: "the routes come from elsewhere",
    code: "routes_unseen",
    change: ({ manager }) => {
      delete manager["route_config"];
      manager["rds"] = { route_config_name: "elsewhere" };
    },
  },
  {
    name: "the authorizer's cluster is gone",
    code: "authorizer_cluster_missing",
    change: ({ clusters }) => {
      clusters.splice(
        clusters.findIndex((each) => each["name"] === "authorizer"),
        1,
      );
    },
  },
  {
    name: "the authorizer's cluster speaks HTTP/1",
    code: "authorizer_not_http2",
    change: (parts) => {
      delete clusterOf(parts, "authorizer")["typed_extension_protocol_options"];
    },
  },
  {
    name: "the authorizer is across the network, in clear",
    code: "authorizer_in_clear",
    change: (parts) => {
      const cluster = clusterOf(parts, "authorizer");
      cluster["type"] = "STRICT_DNS";
      delete cluster["load_assignment"];
    },
  },
  {
    name: "the authorizer's circuit breakers are Envoy's own",
    code: "authorizer_limits_low",
    change: (parts) => {
      delete clusterOf(parts, "authorizer")["circuit_breakers"];
    },
  },
];
