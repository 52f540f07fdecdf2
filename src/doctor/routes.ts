// The routes of a connection manager: which forward, to where, and what they ask of a request first.

import { at, field, flag, list, type Node, nodeOf, text, texts, typed } from "./tree.ts";

export type Route = {
  readonly place: string;
  readonly node: Node;
  /** The clusters it may lead to; empty for one that answers by itself. */
  readonly clusters: readonly string[];
  readonly hostPlace: string;
  readonly host: Node;
};

export type VirtualHost = {
  readonly place: string;
  readonly node: Node;
  readonly routes: readonly Route[];
};

export function virtualHostsOf(routes: Node, listenerPlace: string): readonly VirtualHost[] {
  return list(routes, "virtual_hosts").map((host, hostIndex) => {
    const hostPlace = `${listenerPlace}, virtual host ${text(host, "name") ?? hostIndex + 1}`;
    const all = routesOf(host).map((node, index) => {
      const name = text(node, "name");
      const place = `${hostPlace}, route ${name === undefined || name === "" ? index + 1 : name}`;
      return { place, node, clusters: clustersOf(node), hostPlace, host };
    });
    return { place: hostPlace, node: host, routes: all };
  });
}

/** The routes of a host, those behind a matcher tree too: whichever is chosen forwards. */
function routesOf(host: Node): readonly Node[] {
  const matcher = at(host, "matcher");
  return matcher === undefined ? list(host, "routes") : routesIn(matcher);
}

function routesIn(value: unknown): readonly Node[] {
  if (Array.isArray(value)) return value.flatMap(routesIn);
  const node = nodeOf(value);
  if (node === undefined) return [];
  if (clustersOf(node).length > 0) return [node];
  return Object.values(node).flatMap(routesIn);
}

function clustersOf(route: Node): readonly string[] {
  const action = at(route, "route");
  if (action === undefined) return [];
  const weighted = list(at(action, "weighted_clusters"), "clusters");
  const named = [text(action, "cluster"), ...weighted.map((each) => text(each, "name"))];
  const found = named.filter((name) => name !== undefined);
  // Chosen by a header, a plugin or code of its own: somewhere.
  return found.length > 0 ? found : ["?"];
}

/** Whether a request must bring this header, with something in it, for the route to match. */
export function wantsHeader({ node }: Route, isWanted: (name: string) => boolean): boolean {
  return list(at(node, "match"), "headers").some((matcher) => {
    const name = text(matcher, "name")?.toLowerCase();
    if (name === undefined || !isWanted(name) || flag(matcher, "invert_match")) return false;
    if (field(matcher, "present_match") !== undefined) return flag(matcher, "present_match");
    // An empty value would stand for a header that is missing.
    return !flag(matcher, "treat_missing_header_as_empty");
  });
}

/** Whether the route takes every request that comes to it. */
export function matchesAll({ node }: Route): boolean {
  const match = at(node, "match");
  const extras = ["headers", "query_parameters", "grpc", "tls_context", "runtime_fraction"];
  if (extras.some((name) => field(match, name) !== undefined)) return false;
  if (text(match, "prefix") === "/") return true;
  const regex = text(at(match, "safe_regex"), "regex");
  return regex !== undefined && /^\^?\/?\.\*\$?$/.test(regex);
}

/** What is configured for a filter on this route, from general to detail; each may override the one before. */
export function overridesOf(
  route: Route,
  routes: Node,
  filterNames: readonly string[],
): readonly { readonly place: string; readonly config: Node }[] {
  const weighted = list(at(route.node, "route", "weighted_clusters"), "clusters");
  const holders: readonly (readonly [string, Node])[] = [
    ["route configuration", routes],
    [route.hostPlace, route.host],
    [route.place, route.node],
    ...weighted.map((each) => [`${route.place}, weighted cluster`, each] as const),
  ];
  return holders.flatMap(([place, holder]) =>
    filterNames.flatMap((name) => {
      const config = typed(at(holder, "typed_per_filter_config"), name);
      return config === undefined ? [] : [{ place, config }];
    }),
  );
}

/** Names of headers that the route, its host or the whole configuration sets or removes on the request. */
export function headersChanged(route: Route, routes: Node): readonly string[] {
  const weighted = list(at(route.node, "route", "weighted_clusters"), "clusters");
  return [routes, route.host, route.node, ...weighted].flatMap((holder) => [
    ...list(holder, "request_headers_to_add").flatMap(
      (each) => text(at(each, "header"), "key")?.toLowerCase() ?? [],
    ),
    ...texts(holder, "request_headers_to_remove").map((name) => name.toLowerCase()),
    ...list(holder, "request_header_mutations").flatMap((each) => mutated(each)),
  ]);
}

/** The header that an entry of a HeaderMutation sets, appends or removes. */
export function mutated(mutation: Node): readonly string[] {
  const removed = text(mutation, "remove");
  const set = text(at(mutation, "append", "header"), "key");
  return [removed, set].flatMap((name) => (name === undefined ? [] : [name.toLowerCase()]));
}
