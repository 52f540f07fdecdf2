// The grammar of model names, aliases and patterns: what may stand in a body, a header and a grant without anybody reading
// it differently. No `*`, `,`, `%`, `?`, `&`, quotes or backslash: those mean something to grants, headers, targets, JSON.

import { modelNameBytesMax } from "../request.ts";

const named = "!#$()+\\-./0-9:;<=>@A-Z\\[\\]^_a-z{|}~";

/** The grammar as a regular expression that JavaScript and RE2 read alike; the length is a rule beside it. */
export const modelNameSource = `^[${named}]+( [${named}]+)*$`;
/** The same with `*` anywhere. */
export const modelPatternSource = `^[*${named}]+( [*${named}]+)*$`;
/** A name, or the beginning of one and a `*`; or `*` alone. */
export const aliasNameSource = `^([${named}]+( [${named}]+)* ?)?[*${named}]$`;

/** The same in words, for whoever wrote another name. */
export const modelGrammar =
  `1 to ${modelNameBytesMax} printable ASCII characters other than * , % ? & quotes and the backslash, ` +
  "with single spaces inside only";

const wholeName = new RegExp(modelNameSource);
const wholePattern = new RegExp(modelPatternSource);

/** Whether `name` is a model name: what can be asked for, granted and run. */
export function isModelName(name: string): boolean {
  return name.length <= modelNameBytesMax && wholeName.test(name);
}

/** Whether `pattern` is a model name in which `*` may stand anywhere. */
export function isModelPattern(pattern: string): boolean {
  return pattern.length <= modelNameBytesMax && wholePattern.test(pattern);
}

/** Whether `name` is a model name, or an alias for all names that begin alike: one `*`, at its end. */
export function isAliasName(name: string): boolean {
  const star = name.indexOf("*");
  return star < 0 ? isModelName(name) : star === name.length - 1 && isModelPattern(name);
}

/** A segment that a server drops or climbs by; some cut parameters off first, as in `..;x`. */
const oddSegment = /(?:^|\/)(?:[./;]|$)/;
const droppedSegment = /(?:^|\/)\.{0,2}(?:;[^/]*)?(?:\/|$)/;

/**
 * Whether no segment of the name is empty, `.` or `..`. Only such names are matched by wildcards: another could be read as
 * one that was never granted, where a backend keeps its models in folders.
 */
export function hasPlainSegments(name: string): boolean {
  return !oddSegment.test(name) || !droppedSegment.test(name);
}

/**
 * Whether a server that decodes a target before it takes it apart still reads this very name in it: plain segments, and
 * neither the `;` nor the `#` that end one for some.
 */
export function isPathSafeModelName(name: string): boolean {
  return hasPlainSegments(name) && !/[;#]/.test(name);
}
