// Method + exact path -> operation. Paths are compared as bytes, never parsed as URLs and never matched by prefix:
// what no line of operations.ts names is refused.

import type { DecisionSettings } from "../decision-settings.ts";
import type { Dialect } from "../denials.ts";
import {
  bodyOperations,
  listOperations,
  modelRouteRow,
  type Operation,
  pathOperations,
  probeOperations,
  type Row,
  realtimeOperations,
  toOperation,
  uncheckedOperation,
} from "./operations.ts";
import { splitTarget, type Target } from "./target.ts";
import {
  firstOf,
  foundIn,
  isServed,
  type PathModel,
  pathModelOf,
  type Template,
  toTemplate,
} from "./templates.ts";

export type { PathModel } from "./templates.ts";

export type RouteMatch =
  | {
      readonly kind: "operation";
      readonly operation: Operation;
      readonly pathModel: PathModel | undefined;
      readonly target: Target;
      /** The path that the backend knows; the one that came, for most. */
      readonly backendPath: string;
    }
  | {
      readonly kind: "method_not_allowed";
      readonly dialect: Dialect;
      readonly allow: readonly string[];
    }
  | { readonly kind: "none"; readonly dialect: Dialect };

export type RouteTable = { match(method: string, path: string): RouteMatch };

export type RouteSettings = Pick<
  DecisionSettings,
  "pathPrefixes" | "realtime" | "uncheckedRoutes" | "modelRoutes"
>;

type Route = { readonly operation: Operation; readonly backendPath: string };

/** Builds the table once at start. */
export function createRouteTable(settings: RouteSettings): RouteTable {
  const unchecked = settings.uncheckedRoutes.map(toUncheckedRoute);
  const exact = new Map<string, Map<string, Route>>();
  const templates: Template[] = [];
  const prefixes = settings.pathPrefixes.map(toPrefix);
  const rows = [
    ...bodyOperations,
    ...pathOperations,
    ...listOperations,
    ...(settings.realtime ? realtimeOperations : []),
    ...probeOperations,
    ...settings.modelRoutes.map(modelRouteRow),
  ];
  for (const row of rows) {
    for (const { prefix, canonical } of row.exact === true ? [noPrefix] : prefixes) {
      addRow(row, prefix + row.path, canonical + (row.backendPath ?? row.path));
    }
  }
  // The longest ending is the one that every router reads: /chat/completions before /completions.
  templates.sort((a, b) => b.after.length - a.after.length);

  function addRow(row: Row, path: string, backendPath: string): void {
    const operation = toOperation(row, path);
    if (path.includes("{")) {
      templates.push(toTemplate({ method: row.method, operation }, path, backendPath));
      return;
    }
    const methods = exact.get(path) ?? new Map<string, Route>();
    if (!methods.has(row.method)) methods.set(row.method, { operation, backendPath });
    exact.set(path, methods);
  }

  function matchTemplate(method: string, target: Target): RouteMatch {
    const { path } = target;
    const found = firstOf(templates, method, path);
    if (found !== undefined) {
      const { template, before, backendBefore } = found;
      const { operation, after } = template;
      const backendPath = backendBefore + path.slice(before.length);
      if (!template.hasModel) {
        return { kind: "operation", operation, pathModel: undefined, target, backendPath };
      }
      const pathModel = pathModelOf(templates, found, path);
      if (pathModel?.canHold(pathModel.name) !== true) {
        return { kind: "none", dialect: dialectOfPath(path) };
      }
      const kept = { ...pathModel, before: backendBefore, after };
      return { kind: "operation", operation, pathModel: kept, target, backendPath };
    }
    const allow = new Set<string>();
    for (const template of templates) {
      const other = foundIn(template, path);
      if (other !== undefined && isServed(templates, other, path)) allow.add(template.method);
    }
    const dialect = dialectOfPath(path);
    return allow.size === 0
      ? { kind: "none", dialect }
      : { kind: "method_not_allowed", dialect, allow: [...allow] };
  }

  function matchChecked(method: string, target: Target): RouteMatch {
    const methods = exact.get(target.path);
    if (methods === undefined) return matchTemplate(method, target);
    const route = methods.get(method);
    if (route !== undefined) return { kind: "operation", ...route, pathModel: undefined, target };
    const [first] = methods.values();
    const dialect = first?.operation.dialect ?? dialectOfPath(target.path);
    return { kind: "method_not_allowed", dialect, allow: [...methods.keys()] };
  }

  return {
    match(method, text) {
      const target = splitTarget(text);
      const match = matchChecked(method, target);
      if (match.kind === "operation") return match;
      const route = unchecked.find((each) => each.method === method && each.path.test(target.path));
      if (route === undefined) return match;
      const { operation } = route;
      const backendPath = target.path;
      return { kind: "operation", operation, pathModel: undefined, target, backendPath };
    },
  };
}

const noPrefix = { prefix: "", canonical: "" } as const;

/** `PREFIX=CANONICAL`; without "=" the backend gets the prefix as it came. */
export function toPrefix(text: string): { readonly prefix: string; readonly canonical: string } {
  const equals = text.indexOf("=");
  if (equals < 0) return { prefix: text, canonical: text };
  return { prefix: text.slice(0, equals), canonical: text.slice(equals + 1) };
}

type UncheckedRoute = {
  readonly method: string;
  readonly path: RegExp;
  readonly operation: Operation;
};

/** `METHOD /path`, where `{name}` stands for one segment of plain characters that is no dot segment. */
function toUncheckedRoute(route: string): UncheckedRoute {
  const [method = "", path = ""] = route.split(" ");
  const pattern = path
    .split(/\{[a-z_]+\}/)
    .map((text) => text.replaceAll(/[.~-]/g, "\\$&"))
    .join("(?!\\.{1,2}(?:/|$))[A-Za-z0-9._~-]{1,256}");
  const operation = uncheckedOperation(route, dialectOfPath(path));
  return { method, path: new RegExp(`^${pattern}$`), operation };
}

/** Which envelope a stranger on an unknown path most likely reads. */
export function dialectOfPath(path: string): Dialect {
  if (/^(\/[a-z0-9/]*)?\/messages(\/|$)/.test(path)) return "anthropic";
  if (/^\/api\/(?!v1(\/|$))/.test(path)) return "ollama";
  if (/\/publishers\/anthropic\/models\//.test(path)) return "anthropic";
  if (/\/publishers\/[^/]+\/models\/.*awPredict$/.test(path)) return "openai";
  if (/^\/v1(alpha|beta1?)\//.test(path)) return "gemini";
  if (/^(\/v1)?(\/[^?]*)?\/models\/[^?]*:[A-Za-z]+$/.test(path)) return "gemini";
  if (/^\/openai\/(deployments\/|models|realtime)/.test(path)) return "azure";
  return "openai";
}
