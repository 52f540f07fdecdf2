// Rules of routes: only what was authorized is forwarded, to where the authorizer meant it, as it left the check.

import type { CheckFilter, Expected, Report } from "./check-filter.ts";
import { isOurs } from "./filters-after.ts";
import {
  headersChanged,
  matchesAll,
  overridesOf,
  type Route,
  type VirtualHost,
  virtualHostsOf,
  wantsHeader,
} from "./routes.ts";
import { at, field, flag, list, type Node, numberOf, text, typed, typeOf } from "./tree.ts";

export type RouteDeps = {
  readonly check: CheckFilter;
  readonly expected: Expected;
  readonly clusters: ReadonlyMap<string, Node>;
  readonly report: Report;
  readonly bufferWanted: number;
  /** The listener itself lets a body of that size be held. */
  readonly hasListenerLimit: boolean;
  readonly onOverride: (override: { readonly place: string; readonly config: Node }) => void;
};

const pending = "/aliasguard-rewrite-pending";

export function examineRoutes(routes: Node, listenerPlace: string, deps: RouteDeps): void {
  const said = new Set<Node>();
  for (const host of virtualHostsOf(routes, listenerPlace)) {
    if (host.routes.every((route) => !forwards(route, deps))) continue;
    examineHost(host, deps);
    for (const route of host.routes) examineRoute(route, { routes, said }, deps);
  }
}

/** A cluster without an endpoint is a refusal; so is one that is not there. */
function forwards({ clusters }: Route, deps: RouteDeps): boolean {
  return clusters.some((name) => canReach(deps.clusters, name));
}

/** Whether a request can leave through the cluster. Where endpoints come from elsewhere, it can. */
export function canReach(clusters: ReadonlyMap<string, Node>, name: string): boolean {
  const cluster = clusters.get(name);
  if (cluster === undefined) return true;
  const type = text(cluster, "type") ?? "STATIC";
  if (!["STATIC", "STRICT_DNS", "LOGICAL_DNS"].includes(type)) return true;
  if (at(cluster, "cluster_type") !== undefined) return true;
  const endpoints = list(at(cluster, "load_assignment"), "endpoints");
  return endpoints.some((locality) => list(locality, "lb_endpoints").length > 0);
}

function examineHost({ place, routes }: VirtualHost, deps: RouteDeps): void {
  const { check, report } = deps;
  if (check.mode === "ext_authz" && deps.expected.editsBodies) {
    const first = routes.find((route) => {
      const prefix = text(at(route.node, "match"), "prefix");
      return prefix !== undefined && pending.startsWith(prefix) && prefix.length > 1;
    });
    const isFirst = first !== undefined && routes.slice(0, routes.indexOf(first)).every(isNarrow);
    if (!isFirst || forwards(first, deps)) report("pending_route_missing", place);
  }
  const last = routes.findLast(matchesAll);
  if (last === undefined) report("catch_all_missing", place);
  else if (check.mode === "ext_proc" && last.clusters.length === 0 && !deps.hasListenerLimit) {
    report("catch_all_not_forwarding", last.place);
  }
}

/** A route before the pending one that a pending path cannot take. */
function isNarrow({ node, clusters }: Route): boolean {
  if (clusters.length === 0) return true;
  const match = at(node, "match");
  const ways = [text(match, "prefix"), text(match, "path"), text(match, "path_separated_prefix")];
  const way = ways.find((each) => each !== undefined);
  return way !== undefined && !pending.startsWith(way) && !way.startsWith(pending);
}

type Seen = { readonly routes: Node; readonly said: Set<Node> };

function examineRoute(route: Route, { routes, said }: Seen, deps: RouteDeps): void {
  const { check, expected, report } = deps;
  if (!forwards(route, deps)) {
    // A refusing route is where a request begins: the check runs by its settings.
    if (!matchesAll(route)) return;
  }
  for (const override of overridesOf(route, routes, check.names)) {
    if (said.has(override.config)) continue;
    said.add(override.config);
    deps.onOverride(override);
  }
  if (check.mode === "ext_authz" && expected.editsBodies)
    examineSpliceOverride(route, { routes, said }, report);
  examineLimit(route, deps);
  if (!forwards(route, deps)) return;
  const asks = (name: string): boolean =>
    expected.modelHeaders.includes(name) || name === "x-aliasguard-unchecked";
  if (!wantsHeader(route, asks)) report("route_without_model", route.place);
  const changed = headersChanged(route, routes).find((name) => isOurs(name, expected));
  if (changed !== undefined) report("model_header_overwritten", route.place, changed);
  examineAction(route, deps);
}

function examineSpliceOverride(route: Route, { routes, said }: Seen, report: Report): void {
  for (const { place, config } of overridesOf(route, routes, ["envoy.filters.http.lua"])) {
    if (said.has(config)) continue;
    said.add(config);
    const inner = typeOf(config) === "FilterConfig" ? typed(config, "config") : config;
    if (flag(config, "disabled") || flag(inner, "disabled")) {
      report("splice_missing", place, "disabled here");
    } else if (field(inner, "source_code") !== undefined || field(inner, "name") !== undefined) {
      report("splice_missing", place, "another script here");
    }
  }
}

/** With ext_proc the route's limit is what a body may have; with ext_authz it must leave room for a longer name. */
function examineLimit(route: Route, deps: RouteDeps): void {
  const names = ["request_body_buffer_limit", "per_request_buffer_limit_bytes"];
  const limits = [route.node, route.host].flatMap((holder) =>
    names.flatMap((name) => numberOf(holder, name) ?? []),
  );
  const [limit] = limits;
  if (limit === undefined) {
    if (deps.hasListenerLimit || !matchesAll(route)) return;
    deps.report("limits_out_of_order", route.place, `no buffer limit, wanted ${deps.bufferWanted}`);
  } else if (limit < deps.bufferWanted) {
    const found = `buffer limit ${limit}, wanted ${deps.bufferWanted}`;
    deps.report("limits_out_of_order", route.place, found);
  }
}

function examineAction(route: Route, { clusters, expected, report }: RouteDeps): void {
  const action = at(route.node, "route");
  const { place } = route;
  const header = text(action, "cluster_header")?.toLowerCase();
  if (header !== undefined && !expected.modelHeaders.includes(header)) {
    report("cluster_by_header", place, header);
  }
  for (const name of ["prefix_rewrite", "regex_rewrite", "path_rewrite_policy", "path_rewrite"]) {
    if (field(action, name) !== undefined) report("path_rewritten", place, name);
  }
  for (const name of ["host_rewrite_header", "host_rewrite_path_regex"]) {
    if (field(action, name) !== undefined) report("host_by_caller", place, name);
  }
  if (list(action, "request_mirror_policies").length > 0) report("request_mirrored", place);
  if (list(route.host, "request_mirror_policies").length > 0) {
    report("request_mirrored", route.hostPlace);
  }
  if (field(action, "internal_redirect_policy") !== undefined) report("redirect_followed", place);
  if (field(action, "internal_redirect_action") === "HANDLE_INTERNAL_REDIRECT") {
    report("redirect_followed", place);
  }
  const retries = [action, route.host].some((each) => at(each, "retry_policy") !== undefined);
  if (retries && route.clusters.length > 1) report("retried_elsewhere", place);
  for (const name of route.clusters) examineBackend(clusters.get(name), name, { place, report });
  for (const upgrade of list(action, "upgrade_configs")) {
    const type = text(upgrade, "upgrade_type") ?? "";
    if (/^connect/i.test(type)) report("connect_allowed", place, type);
  }
}

function examineBackend(
  cluster: Node | undefined,
  name: string,
  { place, report }: { place: string; report: Report },
): void {
  const own = at(cluster, "cluster_type");
  const kind = `${text(own, "name") ?? ""} ${typeOf(typed(own))}`;
  if (/dynamic_forward_proxy/i.test(kind)) report("host_by_caller", place, `cluster ${name}`);
  if (/aggregate/i.test(kind))
    report("retried_elsewhere", place, `cluster ${name} is an aggregate`);
  const original = at(cluster, "original_dst_lb_config");
  if (flag(original, "use_http_header")) report("host_by_caller", place, `cluster ${name}`);
}
