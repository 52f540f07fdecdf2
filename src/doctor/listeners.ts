// A bootstrap or a config_dump -> the HTTP connection managers in it, each with its routes, and the clusters.

import { at, field, list, type Node, nodeOf, text, typed, typeOf } from "./tree.ts";

export type HttpListener = {
  readonly name: string;
  readonly listener: Node;
  readonly manager: Node;
  /** undefined: the routes come from elsewhere and are not here. */
  readonly routes: Node | undefined;
};

export type TcpListener = { readonly name: string; readonly clusters: readonly string[] };

export type EnvoyConfig = {
  readonly http: readonly HttpListener[];
  readonly tcp: readonly TcpListener[];
  readonly clusters: ReadonlyMap<string, Node>;
  /** The address of the admin port; undefined where there is none, or none that is a socket. */
  readonly adminAddress: string | undefined;
};

/** undefined: neither a bootstrap nor a config_dump. */
export function readEnvoyConfig(root: unknown): EnvoyConfig | undefined {
  const node = nodeOf(root);
  if (node === undefined) return undefined;
  const parts = Array.isArray(field(node, "configs")) ? partsOfDump(node) : partsOfBootstrap(node);
  if (parts === undefined) return undefined;
  const routes = new Map(parts.routes.map((each) => [text(each, "name") ?? "", each]));
  const http: HttpListener[] = [];
  const tcp: TcpListener[] = [];
  for (const listener of parts.listeners) {
    const name = text(listener, "name") ?? addressOf(listener) ?? "without a name";
    for (const [index, chain] of chainsOf(listener).entries()) {
      const place = index === 0 ? name : `${name} (filter chain ${index + 1})`;
      for (const filter of list(chain, "filters")) {
        const config = typed(filter);
        if (typeOf(config) === "HttpConnectionManager" && config !== undefined) {
          const rds = text(at(config, "rds"), "route_config_name");
          const own = at(config, "route_config");
          const found = own ?? (rds === undefined ? undefined : routes.get(rds));
          http.push({ name: place, listener, manager: config, routes: found });
        } else if (typeOf(config) === "TcpProxy") {
          tcp.push({ name: place, clusters: tcpClusters(config) });
        }
      }
    }
  }
  const clusters = new Map(parts.clusters.map((each) => [text(each, "name") ?? "", each]));
  return { http, tcp, clusters, adminAddress: parts.adminAddress };
}

type Parts = {
  readonly listeners: readonly Node[];
  readonly routes: readonly Node[];
  readonly clusters: readonly Node[];
  readonly adminAddress: string | undefined;
};

function partsOfBootstrap(root: Node): Parts | undefined {
  const resources = at(root, "static_resources");
  if (resources === undefined) return undefined;
  return {
    listeners: list(resources, "listeners"),
    routes: [],
    clusters: list(resources, "clusters"),
    adminAddress: text(at(root, "admin", "address", "socket_address"), "address"),
  };
}

function partsOfDump(root: Node): Parts | undefined {
  const configs = list(root, "configs");
  const within = (name: string, ...ways: readonly (readonly string[])[]): readonly Node[] =>
    ways.flatMap(([entries = "", ...way]) =>
      configs
        .filter((config) => [name, ""].includes(typeOf(config)))
        .flatMap((config) => list(config, entries))
        .map((entry) => at(entry, ...way))
        .filter((found) => found !== undefined),
    );
  const listeners = within(
    "ListenersConfigDump",
    ["static_listeners", "listener"],
    ["dynamic_listeners", "active_state", "listener"],
  );
  const clusters = within(
    "ClustersConfigDump",
    ["static_clusters", "cluster"],
    ["dynamic_active_clusters", "cluster"],
  );
  const routes = within(
    "RoutesConfigDump",
    ["static_route_configs", "route_config"],
    ["dynamic_route_configs", "route_config"],
  );
  if (listeners.length === 0 && clusters.length === 0) return undefined;
  const bootstrap = configs.find((config) => typeOf(config) === "BootstrapConfigDump");
  const admin = at(bootstrap, "bootstrap", "admin", "address", "socket_address");
  return { listeners, routes, clusters, adminAddress: text(admin, "address") };
}

function chainsOf(listener: Node): readonly Node[] {
  const fallback = at(listener, "default_filter_chain");
  return [
    ...list(listener, "filter_chains"),
    ...(fallback === undefined ? [] : [fallback]),
    // A listener of an API (proxyless gRPC, mobile) holds its manager directly.
    ...(at(listener, "api_listener") === undefined
      ? []
      : [{ filters: [{ typed_config: at(listener, "api_listener", "api_listener") }] }]),
  ];
}

function addressOf(listener: Node): string | undefined {
  const socket = at(listener, "address", "socket_address");
  const address = text(socket, "address");
  return address === undefined
    ? undefined
    : `${address}:${String(field(socket, "port_value") ?? "")}`;
}

function tcpClusters(config: Node | undefined): readonly string[] {
  const weighted = list(at(config, "weighted_clusters"), "clusters");
  return [config, ...weighted].flatMap((each) => {
    const name = text(each, each === config ? "cluster" : "name");
    return name === undefined ? [] : [name];
  });
}
