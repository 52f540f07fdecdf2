// Method + exact path -> operation. Paths are compared as bytes, never parsed as URLs and never matched by prefix:
// what no line of operations.ts names is refused.

import type { DecisionSettings } from "../decision-settings.ts";
import type { Dialect } from "../denials.ts";
import {
  bodyOperations,
  listOperations,
  type Operation,
  pathOperations,
  probeOperations,
  type Row,
  realtimeOperations,
  toOperation,
  uncheckedOperation,
} from "./operations.ts";
import { modelIn, splitTarget, type Target } from "./target.ts";

/** A model in the path: its name, and the path's bytes before and after it. */
export type PathModel = {
  readonly name: string;
  readonly raw: string;
  readonly before: string;
  readonly after: string;
  /**
   * Whether every router reads `name` there, one that decodes the path first too: `.../a%2Fchat/completions` is a chat with
   * `a` to it, not a completion with `a/chat`.
   */
  readonly canHold: (name: string) => boolean;
};

export type RouteMatch =
  | {
      readonly kind: "operation";
      readonly operation: Operation;
      readonly pathModel: PathModel | undefined;
      readonly target: Target;
    }
  | {
      readonly kind: "method_not_allowed";
      readonly dialect: Dialect;
      readonly allow: readonly string[];
    }
  | { readonly kind: "none"; readonly dialect: Dialect };

export type RouteTable = { match(method: string, path: string): RouteMatch };

type Template = {
  readonly method: string;
  readonly before: string;
  readonly after: string;
  readonly operation: Operation;
};

/** Builds the table once at start. */
export function createRouteTable(
  settings: Pick<DecisionSettings, "pathPrefixes" | "realtime" | "uncheckedRoutes">,
): RouteTable {
  const unchecked = settings.uncheckedRoutes.map(toUncheckedRoute);
  const exact = new Map<string, Map<string, Operation>>();
  const templates: Template[] = [];
  const rows = [
    ...bodyOperations,
    ...pathOperations,
    ...listOperations,
    ...(settings.realtime ? realtimeOperations : []),
    ...probeOperations,
  ];
  for (const row of rows) {
    for (const prefix of row.exact === true ? [""] : settings.pathPrefixes) {
      addRow(row, prefix + row.path);
    }
  }
  // The longest ending is the one that every router reads: /chat/completions before /completions.
  templates.sort((a, b) => b.after.length - a.after.length);

  function addRow(row: Row, path: string): void {
    const operation = toOperation(row, path);
    const [before = "", after] = path.split("{model}");
    if (after !== undefined) {
      templates.push({ method: row.method, before, after, operation });
      return;
    }
    const methods = exact.get(path) ?? new Map<string, Operation>();
    if (!methods.has(row.method)) methods.set(row.method, operation);
    exact.set(path, methods);
  }

  function firstOf(method: string, path: string): Template | undefined {
    return templates.find((each) => each.method === method && isOf(each, path));
  }

  /** undefined where what stands in the template's place is no model's name. */
  function pathModelOf(template: Template, path: string): PathModel | undefined {
    const { method, before, after } = template;
    const raw = path.slice(before.length, path.length - after.length);
    const name = modelIn(raw);
    if (name === undefined) return undefined;
    const canHold = (held: string): boolean =>
      firstOf(method, `${before}${held}${after}`) === template;
    return { name, raw, before, after, canHold };
  }

  function matchTemplate(method: string, target: Target): RouteMatch {
    const { path } = target;
    const all = templates.filter((template) => isOf(template, path));
    const template = all.find((each) => each.method === method);
    const pathModel = template && pathModelOf(template, path);
    if (template !== undefined && pathModel?.canHold(pathModel.name) === true) {
      return { kind: "operation", operation: template.operation, pathModel, target };
    }
    const others = all.filter((each) => pathModelOf(each, path) !== undefined);
    const allow = [...new Set(others.map((each) => each.method))];
    if (template !== undefined || allow.length === 0) {
      return { kind: "none", dialect: dialectOfPath(path) };
    }
    return { kind: "method_not_allowed", dialect: dialectOfPath(path), allow };
  }

  function matchChecked(method: string, target: Target): RouteMatch {
    const methods = exact.get(target.path);
    if (methods === undefined) return matchTemplate(method, target);
    const operation = methods.get(method);
    if (operation !== undefined) {
      return { kind: "operation", operation, pathModel: undefined, target };
    }
    const [first] = methods.values();
    const dialect = first?.dialect ?? dialectOfPath(target.path);
    return { kind: "method_not_allowed", dialect, allow: [...methods.keys()] };
  }

  return {
    match(method, text) {
      const target = splitTarget(text);
      const match = matchChecked(method, target);
      if (match.kind === "operation") return match;
      const route = unchecked.find((each) => each.method === method && each.path.test(target.path));
      if (route === undefined) return match;
      return { kind: "operation", operation: route.operation, pathModel: undefined, target };
    },
  };
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

function isOf({ before, after }: Template, path: string): boolean {
  if (path.length <= before.length + after.length) return false;
  return path.startsWith(before) && path.endsWith(after);
}

/** Which envelope a stranger on an unknown path most likely reads. */
export function dialectOfPath(path: string): Dialect {
  if (/^(\/[a-z0-9/]*)?\/messages(\/|$)/.test(path)) return "anthropic";
  if (/^\/api\/(?!v1(\/|$))/.test(path)) return "ollama";
  if (/^\/v1(alpha|beta)\//.test(path)) return "gemini";
  if (/^\/v1\/models\/[^?]*:[A-Za-z]+$/.test(path)) return "gemini";
  if (/^\/openai\/(deployments\/|models|realtime)/.test(path)) return "azure";
  return "openai";
}
