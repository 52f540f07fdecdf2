// The grammar of model names and aliases (design, "Settled"): what may stand in a header, a path and a grant without
// anybody reading it differently. No `%`, `?`, `#`, `*`, `,` or quotes, so a wildcard grant cannot be walked out of.

import { modelNameBytesMax } from "../request.ts";

const wholeName = /^[A-Za-z0-9@_][A-Za-z0-9._:/@+=~-]*(?: [A-Za-z0-9._:/@+=~-]+)*$/;

/** Whether `name` is a model name: 1 to 256 characters, single inner spaces, no empty, `.` or `..` path segment. */
export function isModelName(name: string): boolean {
  if (name.length === 0 || name.length > modelNameBytesMax || !wholeName.test(name)) return false;
  if (!name.includes("/") && !name.startsWith(".")) return true;
  return name.split("/").every((segment) => segment !== "" && segment !== "." && segment !== "..");
}

/** Whether `pattern` is a model name in which `*` may stand anywhere. */
export function isModelPattern(pattern: string): boolean {
  if (!pattern.includes("*")) return isModelName(pattern);
  if (pattern.length > modelNameBytesMax || !/^[A-Za-z0-9._:/@+=~* -]+$/.test(pattern))
    return false;
  if (pattern.startsWith(" ") || pattern.endsWith(" ") || pattern.includes("  ")) return false;
  return pattern
    .split("/")
    .every((segment) => segment !== "" && segment !== "." && segment !== "..");
}
