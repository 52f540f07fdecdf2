// What the texts of settings may be: names of headers and parameters, addresses, paths and routes that do no harm where
// they are used.

import { defaultDecisionSettings } from "../core/decision-settings.ts";
import { dialects } from "../core/denials.ts";
import { credentialCarriers } from "../core/http/credential.ts";
import { methodOverrideHeaders } from "../core/http/header-table.ts";
import { namesModel } from "../core/http/query-rules.ts";
import { createRouteTable, type RouteSettings, toPrefix } from "../core/http/routes.ts";

/** Headers that mean something to Envoy, HTTP, the backend or us: a model's name in them would do harm or be lost. */
const takenHeaders: ReadonlySet<string> = new Set([
  ...credentialCarriers,
  ...methodOverrideHeaders,
  ...["host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"],
  ...["cookie", "expect", "http2-settings", "x-request-id", "traceparent", "tracestate"],
]);
const takenHeaderPrefixes = ["content-", "proxy-", "x-aliasguard-", "x-envoy-", "x-forwarded-"];

export function isModelHeader(name: string): boolean {
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(name) || takenHeaders.has(name)) return false;
  return !takenHeaderPrefixes.some((prefix) => name.startsWith(prefix));
}

export function isListenAddress(address: string): boolean {
  return /^unix:\/[^\0]+$/.test(address) || isTcpAddress(address);
}

export function isTcpAddress(address: string): boolean {
  const port = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})$/.exec(address)?.[1];
  return port !== undefined && Number(port) <= 65_535;
}

/** Never one under which a request whose body edits are pending would be served. */
export function isPathPrefix(prefix: string): boolean {
  if (!/^(|(\/[A-Za-z0-9._-]+)+)$/.test(prefix)) return false;
  const [, first = "", ...rest] = prefix.split("/");
  return first !== "aliasguard-rewrite-pending" && ![first, ...rest].some(isDots);
}

/** A prefix, and perhaps what the backend gets in its place. */
export function isPathPrefixPair(text: string): boolean {
  const { prefix, canonical } = toPrefix(text);
  return isPathPrefix(prefix) && isPathPrefix(canonical);
}

/** Whether one prefix is said to be two things at the backend. */
export function hasTwoMeanings(pairs: readonly string[]): boolean {
  const prefixes = new Set(pairs.map((pair) => toPrefix(pair).prefix));
  return prefixes.size < new Set(pairs).size;
}

function isDots(segment: string): boolean {
  return segment === "." || segment === "..";
}

/** A backend that reads the model from the query would run what nobody has authorized. */
export function isParameterName(name: string): boolean {
  return /^[A-Za-z0-9_.$%-]{1,64}$/.test(name) && !namesModel(name);
}

const uncheckedRoute =
  /^(?:GET|HEAD|POST|PUT|PATCH|DELETE) ((?:\/(?:[A-Za-z0-9._~-]+|\{[a-z_]+\}))+)$/;
const everyRoute = createRouteTable({ ...defaultDecisionSettings, realtime: true });

/** Nothing that is checked, whose check would only seem to be switched off. */
export function isUncheckedRoute(route: string): boolean {
  const path = uncheckedRoute.exec(route)?.[1];
  if (path === undefined || !isPathPrefix(path.replaceAll(/[{}]/g, ""))) return false;
  const [method = ""] = route.split(" ");
  return everyRoute.match(method, path.replaceAll(/[{}]/g, "")).kind !== "operation";
}

const modelRoute = /^POST (\/[A-Za-z0-9._~/-]+)(?: ([a-z]+))?$/;

/** `POST /path` and perhaps a dialect: a path that neither the product nor another setting serves otherwise. */
export function isModelRoute(route: string, settings: RouteSettings): boolean {
  const [, path, dialect = "openai"] = modelRoute.exec(route) ?? [];
  if (path === undefined || !isPathPrefix(path) || !dialects.some((each) => each === dialect)) {
    return false;
  }
  return (
    createRouteTable({ ...settings, modelRoutes: [], realtime: true }).match("POST", path).kind !==
    "operation"
  );
}
