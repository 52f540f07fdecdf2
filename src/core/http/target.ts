// The target of a request (`:path`): where its path, its query and its parameters stand, and exact edits of them. Bytes
// are compared as they stand; only a model's name is ever decoded, once.

import { isModelName, isPathSafeModelName } from "../permission/model-name.ts";

export type Target = { readonly path: string; readonly query: string };

/** A parameter of the query, undecoded. */
export type Parameter = { readonly name: string; readonly value: string };

export function splitTarget(target: string): Target {
  const mark = target.indexOf("?");
  return mark < 0
    ? { path: target, query: "" }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

export function parametersOf(query: string): readonly Parameter[] {
  if (query === "") return [];
  return query.split("&").map((part) => {
    const equals = part.indexOf("=");
    return equals < 0
      ? { name: part, value: "" }
      : { name: part.slice(0, equals), value: part.slice(equals + 1) };
  });
}

/** Percent-decodes ASCII. undefined for a broken escape or anything that is not printable ASCII afterwards. */
export function decodeOnce(text: string): string | undefined {
  if (!text.includes("%")) return /^[\x20-\x7e]*$/.test(text) ? text : undefined;
  const decoded = text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => {
    const code = Number.parseInt(hex, 16);
    return code >= 0x20 && code < 0x7f && code !== 0x25 ? String.fromCharCode(code) : "\0";
  });
  return /^[\x20-\x7e]*$/.test(decoded) && !decoded.includes("%") ? decoded : undefined;
}

/** A model's name as it stands in a path or a query; undefined where it is none. "/" may come raw or as %2F. */
export function modelIn(text: string): string | undefined {
  const name = decodeOnce(text);
  return name !== undefined && isModelName(name) && isPathSafeModelName(name) ? name : undefined;
}

/**
 * A model's name for a path or a query: every decoder reads it back alike, those that take "+" for a space too. Names
 * hold ASCII only, so this never throws.
 */
export function encodeModel(name: string): string {
  return encodeURIComponent(name).replaceAll(/[!()]/g, (mark) => {
    return `%${mark.charCodeAt(0).toString(16).toUpperCase()}`;
  });
}

/** What a backend is to read in place of what came. */
export type TargetEdits = {
  readonly path?: string;
  /** Parameters that do not reach the backend. */
  readonly remove?: ReadonlySet<string>;
  /** New values, undecoded. */
  readonly replace?: ReadonlyMap<string, string>;
  /** Another name for a parameter, which the backend knows it by. */
  readonly rename?: { readonly from: string; readonly to: string } | undefined;
};

/** Everything that is not edited stays byte for byte. */
export function editTarget({ path, query }: Target, edits: TargetEdits): string {
  const parts = query === "" ? [] : query.split("&");
  const kept = parts.flatMap((part) => {
    const name = part.split("=", 1)[0] ?? "";
    if (edits.remove?.has(name) === true) return [];
    const value = edits.replace?.get(name);
    const newName = edits.rename?.from === name ? edits.rename.to : name;
    return [`${newName}${value === undefined ? part.slice(name.length) : `=${value}`}`];
  });
  const newPath = edits.path ?? path;
  return kept.length === 0 ? newPath : `${newPath}?${kept.join("&")}`;
}
