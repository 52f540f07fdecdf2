// The headers of one part of a form: its name, whether it is a file, what type it says it has. Refused is what any parser
// could take for another name, for a file or no file, or for another value.

import type { PartLength } from "../reading.ts";

export type PartHeaders = {
  /** A plain token, brackets included: `image[]`, `svg[model]`. */
  readonly name: string;
  /** Whether it has a filename of either kind. */
  readonly isFile: boolean;
  /** As written; undefined when there is none. */
  readonly contentType: string | undefined;
  /** What its content-length says; the offset counts from the start of the headers. */
  readonly partLength: PartLength | undefined;
};

/** Longest line, in bytes: PHP takes what lies after the first 5,120 for a line of its own. */
export const partHeaderLineMax = 4096;

/**
 * `text`: the lines before the blank one, a byte a character. Undefined: refused. Beside the content-disposition a part
 * may have three more headers: content-encoding makes aiohttp decompress, and content-id is a second name in others.
 */
export function readPartHeaders(text: string): PartHeaders | undefined {
  const headers = new Map<string, Value>();
  let start = 0;
  for (const line of text.split("\r\n")) {
    // A bare CR or LF ends a line for some; other control characters are no client's.
    if (line.length > partHeaderLineMax || hasControl(line)) return undefined;
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    if (!partHeaderNames.has(name) || headers.has(name)) return undefined;
    const value = line.slice(colon + 1).replace(/^ +/, "");
    headers.set(name, { text: value, offset: start + line.length - value.length });
    start += line.length + 2;
  }
  const disposition = readDisposition(headers.get("content-disposition")?.text ?? "");
  if (disposition === undefined) return undefined;
  const contentType = headers.get("content-type")?.text;
  if (contentType !== undefined && !isHarmlessType(contentType)) return undefined;
  const encoding = headers.get("content-transfer-encoding")?.text ?? "binary";
  // Another one is decoded by mail parsers and left as it is by the rest.
  if (!/^(?:7bit|8bit|binary)$/i.test(encoding)) return undefined;
  const length = headers.get("content-length");
  if (length === undefined) return { ...disposition, contentType, partLength: undefined };
  if (!/^(?:0|[1-9][0-9]{0,14})$/.test(length.text)) return undefined;
  const partLength = { offset: length.offset, bytes: Number(length.text) };
  return { ...disposition, contentType, partLength };
}

type Value = { readonly text: string; readonly offset: number };

const partHeaderNames: ReadonlySet<string> = new Set([
  "content-disposition",
  "content-type",
  "content-transfer-encoding",
  "content-length",
]);

/** NUL to US, but for the tab, which a filename may hold. */
function hasControl(line: string): boolean {
  for (let at = 0; at < line.length; at++) {
    const code = line.charCodeAt(at);
    if (code < 0x20 && code !== 0x09) return true;
  }
  return false;
}

/** A parameter's name in the eyes of a parser that does not mind quotes: `name=`, `; name =`, `name*0=`. */
const nameParameter = /(?<![A-Za-z0-9_])(?:file)?name[\s"'\\*0-9]*=/i;

/** Not one with parts of its own, and without a parameter that mail parsers take for a filename or a boundary. */
function isHarmlessType(type: string): boolean {
  return (
    /^[\x20-\x7e]+$/.test(type) &&
    !/multipart|message\/|boundary/i.test(type) &&
    !nameParameter.test(type)
  );
}

type Disposition = { readonly name: string; readonly isFile: boolean };

/** RFC 9110's without the apostrophe, which PHP takes for a quote. */
const token = /[A-Za-z0-9!#$%&*+.^_`|~-]+/y;
const parameterStart = /; *(name|filename|filename\*)=/y;
const quotedName = /"([A-Za-z0-9_.[\]-]+)"/y;
const tokenName = /[A-Za-z0-9_.-]+/y;
/** RFC 5987: charset, language, percent-encoded bytes. */
const extendedValue = /(?:utf-8|iso-8859-1)'[a-z0-9-]*'[A-Za-z0-9!#$%&+.^_`|~-]*/iy;

/**
 * `form-data; name="x"`, then perhaps a filename of either kind; .NET writes both kinds, and tokens. The name stands first:
 * a parser that looks for `name=` alone finds that one, and Rack takes what follows some filenames for no name.
 */
function readDisposition(text: string): Disposition | undefined {
  if (!text.startsWith("form-data")) return undefined;
  const found = new Map<string, string>();
  for (let at = "form-data".length; at < text.length; ) {
    const start = matchAt(parameterStart, text, at);
    const key = start?.[1] ?? "";
    if (start === undefined || found.has(key) || (key !== "name" && found.size === 0)) {
      return undefined;
    }
    at += start[0].length;
    const value = readValue(key, text, at);
    if (value === undefined) return undefined;
    found.set(key, value);
    at += value.length;
  }
  const name = found.get("name")?.replaceAll('"', "");
  return name === undefined ? undefined : { name, isFile: found.size > 1 };
}

/** The value as written, quotes included. */
function readValue(key: string, text: string, at: number): string | undefined {
  if (key === "name") return (matchAt(quotedName, text, at) ?? matchAt(tokenName, text, at))?.[0];
  if (key === "filename*") return matchAt(extendedValue, text, at)?.[0];
  return text[at] === '"' ? readQuoted(text, at) : matchAt(token, text, at)?.[0];
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

/**
 * The quoted string at `at`. Inside, `\"` is a quote for most parsers and the end for the others, which find nothing after
 * it that could be a name; aiohttp is lost when a semicolon is there too. A backslash is itself elsewhere, in whole paths
 * for one. Two or more before a quote mean three different things, so they are refused; and so is a filename that holds
 * what a careless parser takes for the part's name.
 */
function readQuoted(text: string, at: number): string | undefined {
  for (let end = at + 1; end < text.length; end++) {
    if (text[end] !== '"') continue;
    if (text[end - 1] === "\\") {
      if (text[end - 2] === "\\") return undefined;
      continue;
    }
    const value = text.slice(at, end + 1);
    const isSplit = value.includes('\\"') && value.includes(";");
    return isSplit || nameParameter.test(value) ? undefined : value;
  }
  return undefined;
}
