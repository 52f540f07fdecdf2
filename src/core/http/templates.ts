// Paths with a variable part: the model's name, and segments of plain characters before it. Which template reads a path,
// and which names it can hold without another reading.

import type { Operation } from "./operations.ts";
import { decodeOnce, modelIn } from "./target.ts";

/** A model in the path: its name, and the path's bytes before and after it as the backend gets them. */
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

export type Template = {
  readonly method: string;
  readonly operation: Operation;
  /** What stands before the last variable part: text, or a pattern that is anchored at the path's beginning. */
  readonly before: string | RegExp;
  readonly after: string;
  /** Whether the last variable part is the model; otherwise it belongs to `before`. */
  readonly hasModel: boolean;
  readonly backendBefore: (before: string) => string;
};

/** A template that a path is of, with what stands before its model there. */
export type Found = {
  readonly template: Template;
  readonly before: string;
  readonly backendBefore: string;
};

/** One segment: it begins with a letter or a digit, so it is no dot segment. Google's projects may hold ":". */
const segment = "[A-Za-z0-9][A-Za-z0-9._:-]{0,127}";

export function toTemplate(
  { method, operation }: Pick<Template, "method" | "operation">,
  path: string,
  backendPath: string,
): Template {
  const hasModel = path.includes("{model}");
  const end = hasModel ? path.indexOf("{model}") : path.lastIndexOf("}") + 1;
  const [text, after] = [path.slice(0, end), path.slice(end + (hasModel ? 7 : 0))];
  const rest = { method, operation, after, hasModel };
  const backend = hasModel ? backendPath.slice(0, backendPath.indexOf("{model}")) : backendPath;
  if (!text.includes("{")) return { ...rest, before: text, backendBefore: () => backend };
  const pattern = text.split(/\{[a-z]+\}/).map((part) => part.replaceAll(".", "\\."));
  const before = new RegExp(`^${pattern.join(segment)}`);
  // Of a path with several variable parts only the prefix differs.
  const [prefix = "", newPrefix = ""] = [path, backendPath].map((each) => each.split("/{", 1)[0]);
  const backendBefore = (found: string): string => newPrefix + found.slice(prefix.length);
  return { ...rest, before, backendBefore };
}

export function foundIn(template: Template, path: string): Found | undefined {
  const { after, hasModel } = template;
  if (!path.endsWith(after)) return undefined;
  const before =
    typeof template.before === "string"
      ? path.startsWith(template.before) && template.before
      : template.before.exec(path)?.[0];
  if (before === undefined || before === false) return undefined;
  const room = path.length - before.length - after.length;
  if (hasModel ? room <= 0 : room !== 0) return undefined;
  return { template, before, backendBefore: template.backendBefore(before) };
}

export function firstOf(
  templates: readonly Template[],
  method: string,
  path: string,
): Found | undefined {
  for (const template of templates) {
    const found = template.method === method ? foundIn(template, path) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** undefined where what stands in the template's place is no model's name. */
export function pathModelOf(
  templates: readonly Template[],
  { template, before }: Found,
  path: string,
): PathModel | undefined {
  const { method, after } = template;
  const raw = path.slice(before.length, path.length - after.length);
  const name = modelIn(raw);
  if (name === undefined) return undefined;
  const canHold = (held: string): boolean =>
    firstOf(templates, method, `${before}${held}${after}`)?.template === template;
  return { name, raw, before, after, canHold };
}

/**
 * Whether another method would be served on this path. One model of a list is read by GET alone: what ends in `:verb` there
 * is no path of the list's that was asked for by a wrong method, but one that nobody serves.
 */
export function isServed(templates: readonly Template[], found: Found, path: string): boolean {
  if (!found.template.hasModel) return true;
  const pathModel = pathModelOf(templates, found, path);
  if (pathModel === undefined) return false;
  return found.template.operation.answers === undefined || !(decodeOnce(path) ?? ":").includes(":");
}
