// An Envoy configuration -> everything in it that breaks or weakens the promise. Pure; never throws on any JSON.

import type { CheckFilter, Expected, Report } from "./check-filter.ts";
import { type Finding, type FindingSeverity, findingKinds } from "./findings.ts";
import { type EnvoyConfig, type HttpListener, readEnvoyConfig } from "./listeners.ts";
import { checkOf, examineManager } from "./manager.ts";
import { canReach } from "./route-rules.ts";
import { virtualHostsOf } from "./routes.ts";
import { at, field, flag, list, type Node, numberOf, text, typed, typeOf } from "./tree.ts";

export type Diagnosis = {
  readonly findings: readonly Finding[];
  /** Listeners that have the check, by name. */
  readonly guarded: readonly string[];
};

/** undefined: it is neither a bootstrap nor a config_dump. Findings come worst first, each once. */
export function diagnose(root: unknown, expected: Expected): Diagnosis | undefined {
  const config = readEnvoyConfig(root);
  if (config === undefined) return undefined;
  const findings = new Map<string, Finding>();
  const report: Report = (code, place, found) => {
    findings.set(`${code}\n${place}\n${found ?? ""}`, { code, place, found });
  };
  const guarded: [HttpListener, CheckFilter][] = [];
  const others: HttpListener[] = [];
  for (const listener of config.http) {
    const check = checkOf(listener, expected);
    if (check === undefined) others.push(listener);
    else guarded.push([listener, check]);
  }
  const deps = { expected, clusters: config.clusters, report };
  for (const [listener, check] of guarded) examineManager(listener, check, deps);
  const authorizers = new Set(guarded.flatMap(([, { cluster }]) => cluster ?? []));
  for (const name of authorizers) examineAuthorizer(name, config, report);
  examineOthers(others, guarded, { config, report });
  const { adminAddress } = config;
  if (adminAddress !== undefined && !/^(127\.|::1$|localhost$)/.test(adminAddress)) {
    report("admin_open", "admin port", adminAddress);
  }
  const sorted = [...findings.values()].sort((a, b) => rankOf(a) - rankOf(b));
  return { findings: sorted, guarded: guarded.map(([{ name }]) => name) };
}

const ranks: Readonly<Record<FindingSeverity, number>> = { breaks: 0, weakens: 1, advice: 2 };

function rankOf({ code }: Finding): number {
  return ranks[findingKinds[code].severity];
}

/** The clusters that a listener's routes may lead to, and that lead anywhere. */
function reachOf({ name, routes }: HttpListener, config: EnvoyConfig): ReadonlySet<string> {
  if (routes === undefined) return new Set();
  const all = virtualHostsOf(routes, name).flatMap((host) => host.routes);
  const clusters = all.flatMap((route) => route.clusters);
  return new Set(clusters.filter((each) => canReach(config.clusters, each)));
}

/** Listeners without the check: they must not lead where a guarded one leads. */
function examineOthers(
  others: readonly HttpListener[],
  guarded: readonly (readonly [HttpListener, CheckFilter])[],
  { config, report }: { config: EnvoyConfig; report: Report },
): void {
  if (guarded.length === 0) {
    for (const listener of others) {
      const place = `listener ${listener.name}`;
      if (hasUnseenFilters(listener.manager)) report("routes_unseen", place, "filters by ECDS");
      if (reachOf(listener, config).size > 0) report("check_missing", place);
      else if (listener.routes === undefined) report("check_missing", place);
    }
    if (others.length === 0) report("check_missing", "whole configuration", "no HTTP listener");
    return;
  }
  const backends = new Set(guarded.flatMap(([listener]) => [...reachOf(listener, config)]));
  for (const listener of others) {
    const shared = [...reachOf(listener, config)].find((name) => backends.has(name));
    if (shared !== undefined) {
      report("listener_unchecked", `listener ${listener.name}`, `cluster ${shared}`);
    }
  }
  for (const { name, clusters } of config.tcp) {
    const shared = clusters.find((each) => backends.has(each));
    if (shared !== undefined) report("tcp_unchecked", `listener ${name}`, `cluster ${shared}`);
  }
}

function hasUnseenFilters(manager: Node): boolean {
  return list(manager, "http_filters").some(
    (each) => field(each, "config_discovery") !== undefined,
  );
}

function examineAuthorizer(name: string, config: EnvoyConfig, report: Report): void {
  const cluster = config.clusters.get(name);
  const place = `cluster ${name}`;
  if (cluster === undefined) {
    report("authorizer_cluster_missing", place);
    return;
  }
  const options = at(cluster, "typed_extension_protocol_options");
  const http = typed(options, "envoy.extensions.upstreams.http.v3.HttpProtocolOptions");
  const speaks = [at(http, "explicit_http_config"), at(http, "use_downstream_protocol_config")];
  const isHttp2 =
    field(cluster, "http2_protocol_options") !== undefined ||
    speaks.some((each) => field(each, "http2_protocol_options") !== undefined) ||
    field(http, "auto_config") !== undefined;
  if (!isHttp2) report("authorizer_not_http2", place);
  if (!isLocal(cluster) && !isEncrypted(cluster)) report("authorizer_in_clear", place);
  const thresholds = list(at(cluster, "circuit_breakers"), "thresholds");
  const most = Math.max(0, ...thresholds.map((each) => numberOf(each, "max_requests") ?? 1024));
  if (most <= 1024) report("authorizer_limits_low", place);
}

function isLocal(cluster: Node): boolean {
  const endpoints = list(at(cluster, "load_assignment"), "endpoints")
    .flatMap((locality) => list(locality, "lb_endpoints"))
    .map((each) => at(each, "endpoint", "address"));
  return (
    endpoints.length > 0 &&
    endpoints.every((address) => {
      const host = text(at(address, "socket_address"), "address") ?? "";
      return at(address, "pipe") !== undefined || /^(127\.|::1$|localhost$)/.test(host);
    })
  );
}

function isEncrypted(cluster: Node): boolean {
  const sockets = [
    at(cluster, "transport_socket"),
    ...list(cluster, "transport_socket_matches").map((each) => at(each, "transport_socket")),
  ];
  return sockets.some((socket) => {
    const type = typeOf(typed(socket));
    return type !== "" && type !== "RawBuffer" && !flag(socket, "disabled");
  });
}
