// The bootstraps of deploy/envoy as data: read as it is shipped, changed by path. Tests fill in ports; a sabotage test takes one
// guard away. A path that no longer leads anywhere is an error, so that no test quietly changes nothing.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { configFiles, type Mode } from "../../deploy/envoy/write.ts";

/** Both ways in which Envoy asks. */
export const modes: readonly Mode[] = ["ext_authz", "ext_proc"];

export type { Mode } from "../../deploy/envoy/write.ts";

export const envoyFolder = join(import.meta.dirname, "../../deploy/envoy");

export type ConfigChange = (config: ConfigNode) => void;
type Path = readonly (string | number)[];
export type ConfigNode = { [name: string]: unknown };

/** The shipped bootstrap with splice.lua named absolutely, and then the changes in order. */
export function envoyConfig(
  changes: readonly ConfigChange[],
  mode: Mode = "ext_authz",
  optional: readonly OptionalPart[] = [],
): ConfigNode {
  const text = readFileSync(join(envoyFolder, configFiles[mode]), "utf8");
  const isForBrowsers = mode === "ext_authz" && optional.includes("browsers");
  const parts = isForBrowsers ? ([...optional, "browserRoute"] as const) : optional;
  const config: unknown = parse(uncommented(text, parts));
  const root = nodeAt(config, []);
  if (mode === "ext_authz") {
    set(luaFilter(root), ["typed_config", "default_source_code", "filename"], spliceFile);
  }
  for (const change of changes) change(root);
  return root;
}

/** What stands in the files as comments. */
export type OptionalPart = "browsers" | "decompressors";

const optionalBlocks: Readonly<Record<OptionalPart | "browserRoute", readonly string[]>> = {
  browsers: ["typed_per_filter_config:", "- name: envoy.filters.http.cors"],
  browserRoute: ["- name: not-authorized", "- name: nowhere"],
  decompressors: ["header_mutation", "decompressor.gzip", "decompressor.zstd"].map(
    (each) => `- name: envoy.filters.http.${each}`,
  ),
};

/** The file with "# " taken away from the first line of each block and from those that are set in below it. */
function uncommented(text: string, parts: readonly (keyof typeof optionalBlocks)[]): string {
  const lines = text.split("\n");
  for (const first of parts.flatMap((part) => optionalBlocks[part])) {
    let at = lines.findIndex((line) => line.trimStart() === `# ${first}`);
    if (at < 0) throw new Error(`the file has no comment "${first}"`);
    do lines[at] = (lines[at] ?? "").replace("# ", "");
    while (/^ *# {3}/.test(lines[++at] ?? ""));
  }
  return lines.join("\n");
}

export const spliceFile = join(envoyFolder, "splice.lua");

/** Where a test's Envoy listens and what it reaches: loopback only. `authorizers` are loopback ports or socket paths. */
export type Places = {
  readonly authorizers: readonly (number | string)[];
  readonly backendPort: number;
  readonly listenPort?: number;
};

export function places({ authorizers, backendPort, listenPort = 0 }: Places): ConfigChange {
  return (config) => {
    set(config, ["admin", "address", "socket_address", "port_value"], 0);
    const listener = ["static_resources", "listeners", 0, "address", "socket_address"];
    set(config, [...listener, "address"], "127.0.0.1");
    set(config, [...listener, "port_value"], listenPort);
    set(cluster(config, "authorizer"), ["load_assignment", "endpoints"], endpoints(authorizers));
    set(cluster(config, "backend"), ["load_assignment", "endpoints"], endpoints([backendPort]));
  };
}

function endpoints(addresses: readonly (number | string)[]): unknown {
  return [
    {
      lb_endpoints: addresses.map((address) => ({
        endpoint: {
          address:
            typeof address === "string"
              ? { pipe: { path: address } }
              : { socket_address: { address: "127.0.0.1", port_value: address } },
        },
      })),
    },
  ];
}

/** The guards that one may take away, and the other configurations that people run. */
export const changes = {
  luaLeftOut: (config) => removeNamed(httpFilters(config), "envoy.filters.http.lua"),
  earlyRemovalLeftOut: (config) => remove(manager(config), "early_header_mutation_extensions"),
  pendingRouteLeftOut: (config) => removeRoute(config, "/aliasguard-rewrite-pending"),
  failureModeAllow: (config) => set(extAuthz(config), ["failure_mode_allow"], true),
  rawHeaders: (config) => add(extAuthz(config), "encode_raw_headers", true),
  textBody: (config) => set(extAuthz(config), ["with_request_body", "pack_as_bytes"], false),
  noBody: (config) => remove(extAuthz(config), "with_request_body"),
  partialMessages: (config) => {
    set(extAuthz(config), ["with_request_body", "allow_partial_message"], true);
    set(extAuthz(config), ["with_request_body", "max_request_bytes"], 1000);
  },
  websocketUpgrades: (config) =>
    add(manager(config), "upgrade_configs", [{ upgrade_type: "websocket" }]),
  routeCacheKept: (config) => set(extAuthz(config), ["clear_route_cache"], false),
  dropUnderscores: (config) =>
    set(
      manager(config),
      ["common_http_protocol_options", "headers_with_underscores_action"],
      "DROP_HEADER",
    ),
  /** The splice runs only where the route says so; the route that a request begins on does not. */
  luaOnForwardingRouteOnly: (config) => {
    add(luaFilter(config), "disabled", true);
    const forwarding = routesOf(config).find((route) => "route" in nodeAt(route, []));
    const type = "type.googleapis.com/envoy.config.route.v3.FilterConfig";
    const enabled = { "envoy.filters.http.lua": { "@type": type, config: {} } };
    add(nodeAt(forwarding, []), "typed_per_filter_config", enabled);
  },
  healthChecksLeftOut: (config) => remove(cluster(config, "authorizer"), "health_checks"),
} as const satisfies Record<string, ConfigChange>;

/** The same for envoy-ext-proc.yaml. */
export const procChanges = {
  earlyRemovalLeftOut: changes.earlyRemovalLeftOut,
  healthChecksLeftOut: changes.healthChecksLeftOut,
  dropUnderscores: changes.dropUnderscores,
  websocketUpgrades: changes.websocketUpgrades,
  failureModeAllow: (config) => set(extProc(config), ["failure_mode_allow"], true),
  bodyStreamed: (config) => set(extProc(config), bodyMode, "STREAMED"),
  bodyPartial: (config) => set(extProc(config), bodyMode, "BUFFERED_PARTIAL"),
  bodyNone: (config) => set(extProc(config), bodyMode, "NONE"),
  bodyFullDuplex: (config) => {
    set(extProc(config), bodyMode, "FULL_DUPLEX_STREAMED");
    set(extProc(config), ["processing_mode", "request_trailer_mode"], "SEND");
  },
  headersSkipped: (config) =>
    set(extProc(config), ["processing_mode", "request_header_mode"], "SKIP"),
  trailersSent: (config) =>
    set(extProc(config), ["processing_mode", "request_trailer_mode"], "SEND"),
  modeOverrideForbidden: (config) => set(extProc(config), ["allow_mode_override"], false),
  observabilityMode: (config) => add(extProc(config), "observability_mode", true),
  /** HTTP/2 callers get the same limits as HTTP/1.1 ones. */
  smallWindows: (config) =>
    add(manager(config), "http2_protocol_options", { initial_stream_window_size: 65_536 }),
  metadataRefused: (config) => remove(extProc(config), "metadata_options"),
  mutationRulesLeftOut: (config) => remove(extProc(config), "mutation_rules"),
} as const satisfies Record<string, ConfigChange>;

const bodyMode = ["processing_mode", "request_body_mode"];

/** How long Envoy waits for each answer. */
export function messageTimeout(timeout: string): ConfigChange {
  return (config) => set(extProc(config), ["message_timeout"], timeout);
}

/** The limit of what is buffered for the check, lower: the only one in this mode. */
export function bufferLimit(bytes: number): ConfigChange {
  return (config) => {
    const hosts = listAt(manager(config), ["route_config", "virtual_hosts"]);
    set(hosts[0], ["request_body_buffer_limit"], bytes);
  };
}

/** The route that deploy/envoy has as a comment, in front of the one for everything else. In both modes. */
export function uncheckedRoute(config: ConfigNode): void {
  const match = {
    prefix: "/",
    headers: [{ name: "x-aliasguard-unchecked", present_match: true }],
  };
  routesOf(config).splice(-1, 0, { match, route: { cluster: "backend", timeout: "0s" } });
}

/** The filter of rate-limits.yaml in front of the router, with `limit` requests an hour for each key and model. */
export function rateLimits(mode: Mode, limit: number): ConfigChange {
  return (config) => {
    const text = readFileSync(join(envoyFolder, "rate-limits.yaml"), "utf8");
    const namespaced =
      mode === "ext_proc" ? text.replaceAll(/envoy\.\S+ext_authz/g, "aliasguard") : text;
    const filter: unknown = parse(namespaced);
    const bucket = ["typed_config", "descriptors", 0, "token_bucket"];
    set(filter, [...bucket, "max_tokens"], limit);
    set(filter, [...bucket, "tokens_per_fill"], limit);
    set(filter, [...bucket, "fill_interval"], "3600s");
    httpFilters(config).splice(-1, 0, filter);
  };
}

/** Another script in the splice's place. */
export function luaScript(text: string): ConfigChange {
  return (config) =>
    set(luaFilter(config), ["typed_config", "default_source_code"], { inline_string: text });
}

/** A Lua filter between the check and the splice: what a stranger's filter could do to the metadata or the body. */
export function luaBeforeSplice(text: string): ConfigChange {
  return (config) => {
    const filters = httpFilters(config);
    const at = filters.indexOf(luaFilter(config));
    const type = nodeAt(luaFilter(config), ["typed_config"])["@type"];
    const typedConfig = { "@type": type, default_source_code: { inline_string: text } };
    filters.splice(at, 0, { name: "tampering", typed_config: typedConfig });
  };
}

/** All three limits, lower: Envoy's own stands `headroom` bytes above what the authorizer takes. */
export function bodyLimit(maxRequestBytes: number): ConfigChange {
  return (config) => {
    set(extAuthz(config), ["with_request_body", "max_request_bytes"], maxRequestBytes);
  };
}

/** The backend speaks HTTP/2 without TLS. */
export function backendHttp2(config: ConfigNode): void {
  const options = "typed_extension_protocol_options";
  set(cluster(config, "backend"), [options], nodeAt(cluster(config, "authorizer"), [options]));
}

export function checkTimeout(timeout: string): ConfigChange {
  return (config) => set(extAuthz(config), ["grpc_service", "timeout"], timeout);
}

export function cluster(config: ConfigNode, name: string): ConfigNode {
  return named(listAt(config, ["static_resources", "clusters"]), name);
}

function manager(config: ConfigNode): ConfigNode {
  const chain = ["static_resources", "listeners", 0, "filter_chains", 0, "filters", 0];
  return nodeAt(config, [...chain, "typed_config"]);
}

function httpFilters(config: ConfigNode): unknown[] {
  return listAt(manager(config), ["http_filters"]);
}

function extAuthz(config: ConfigNode): ConfigNode {
  return nodeAt(named(httpFilters(config), "envoy.filters.http.ext_authz"), ["typed_config"]);
}

function extProc(config: ConfigNode): ConfigNode {
  return nodeAt(named(httpFilters(config), "envoy.filters.http.ext_proc"), ["typed_config"]);
}

function luaFilter(config: ConfigNode): ConfigNode {
  return named(httpFilters(config), "envoy.filters.http.lua");
}

function named(list: readonly unknown[], name: string): ConfigNode {
  const found = list.map((node) => nodeAt(node, [])).find((node) => node["name"] === name);
  if (found === undefined) throw new Error(`envoy.yaml has no "${name}" where one is expected`);
  return found;
}

function removeNamed(list: unknown[], name: string): void {
  list.splice(list.indexOf(named(list, name)), 1);
}

function routesOf(config: ConfigNode): unknown[] {
  const hosts = listAt(manager(config), ["route_config", "virtual_hosts"]);
  return listAt(hosts[0], ["routes"]);
}

function removeRoute(config: ConfigNode, prefix: string): void {
  const routes = routesOf(config);
  const at = routes.findIndex((route) => nodeAt(route, ["match"])["prefix"] === prefix);
  if (at < 0) throw new Error(`envoy.yaml has no route for "${prefix}"`);
  routes.splice(at, 1);
}

/** Overwrites what is there. */
function set(root: unknown, path: Path, value: unknown): void {
  const name = path.at(-1);
  const parent = childAt(root, path.slice(0, -1));
  if (Array.isArray(parent) && typeof name === "number" && name in parent) parent[name] = value;
  else if (isNode(parent) && typeof name === "string" && Object.hasOwn(parent, name)) {
    parent[name] = value;
  } else throw new Error(`envoy.yaml has no ${path.join(".")}`);
}

/** Adds what must not be there yet. */
function add(node: ConfigNode, name: string, value: unknown): void {
  if (Object.hasOwn(node, name)) throw new Error(`envoy.yaml has "${name}" already`);
  node[name] = value;
}

function remove(node: ConfigNode, name: string): void {
  if (!Object.hasOwn(node, name)) throw new Error(`envoy.yaml has no "${name}"`);
  delete node[name];
}

function nodeAt(root: unknown, path: Path): ConfigNode {
  const child = childAt(root, path);
  if (!isNode(child)) throw new Error(`envoy.yaml has no object at ${path.join(".")}`);
  return child;
}

function listAt(root: unknown, path: Path): unknown[] {
  const child = childAt(root, path);
  if (!Array.isArray(child)) throw new Error(`envoy.yaml has no list at ${path.join(".")}`);
  return child;
}

function childAt(root: unknown, path: Path): unknown {
  let node = root;
  for (const step of path) {
    if (Array.isArray(node) && typeof step === "number") node = node[step];
    else if (isNode(node) && typeof step === "string" && Object.hasOwn(node, step)) {
      node = node[step];
    } else throw new Error(`envoy.yaml has no ${path.join(".")}`);
  }
  return node;
}

function isNode(value: unknown): value is ConfigNode {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
