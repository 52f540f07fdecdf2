// The response side: which models the backend says it ran, and the caller's own name in their place. Reads JSON, NDJSON
// and server-sent events as they stream, in memory that no response can make grow, and changes nothing but those names.

import type { Dialect } from "../denials.ts";
import { viewOf } from "../json/token.ts";
import { modelNameBytesMax } from "../request.ts";
import { type FoundModel, type ModelPlaces, ModelScanner } from "./json.ts";
import { createDocumentReader, type Framing } from "./lines.ts";

export type ResponseModelOptions = {
  readonly dialect: Dialect;
  /** What the backend should say: the upstream and the canonical name of the authorized model. Either counts. */
  readonly authorized: readonly string[];
  /** What the caller sees in its place: the name that it sent. undefined: the response is read and not changed. */
  readonly shown: string | undefined;
};

/**
 * A model that the backend named. `name` is what it wrote, cut to 256 UTF-16 units: any text whatever, so escape it
 * before it is logged, and never make it a metric's label.
 */
export type ServedModel = { readonly name: string; readonly isAuthorized: boolean };

export type ResponseReader = {
  /**
   * What to pass on now for the next bytes of the body. With `shown`, at most a model's name or key that is cut at the
   * end of `chunk` is held back (1,538 bytes); a body that is whole JSON has nothing held back at its end. `isLast` gives
   * out what is held. Without `shown`, always `chunk`. Never throws; what it does not understand stays as it is.
   */
  push(chunk: Buffer, isLast: boolean): Buffer;
  /** The distinct models named so far, at most 8. One that is not authorized always finds a place if it is the first. */
  served(): readonly ServedModel[];
  /** Bytes that are held back now: they are lost where no further chunk is pushed. */
  heldBytes(): number;
};

const servedMax = 8;

const noBytes = Buffer.alloc(0);
const byteOrderMark = Buffer.of(0xef, 0xbb, 0xbf);

/**
 * undefined: this response does not say what ran, or not legibly: no success (such bodies name no model that ran), no
 * body, a part of one, an encoded one, or a type that holds no model. `headers` have lower-case names.
 */
export function createResponseReader(
  headers: ReadonlyMap<string, string>,
  status: number,
  options: ResponseModelOptions,
): ResponseReader | undefined {
  const framing = framingOf(headers, status);
  if (framing === undefined) return undefined;
  const { shown } = options;
  const served = new ServedModels(options.authorized);
  const edits = shown === undefined ? undefined : new Edits(Buffer.from(JSON.stringify(shown)));
  const scanner = new ModelScanner(placesOf(options.dialect, framing), (found) => {
    // Azure's first event of a stream says "" before it is known what runs.
    if (found.name === "") return;
    served.add(found.name);
    edits?.add(found);
  });
  const documents = createDocumentReader(framing, scanner);
  let isBegun = false;
  /** The beginning of a token that is cut, from earlier chunks. */
  let held: Buffer = noBytes;

  /** Up to where these bytes are read. */
  function read(bytes: Buffer, isLast: boolean): number {
    if (!isBegun && !isLast && isCutMark(bytes)) return 0;
    const start = !isBegun && isMark(bytes) ? byteOrderMark.length : 0;
    isBegun = true;
    return documents.read(bytes, viewOf(bytes), start);
  }

  return {
    push(chunk, isLast) {
      const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const stop = read(bytes, isLast);
      // A copy, so that the chunk itself is let go.
      held = isLast || stop === bytes.length ? noBytes : Buffer.from(bytes.subarray(stop));
      return edits === undefined ? chunk : edits.apply(bytes, bytes.length - held.length);
    },
    served: () => served.list(),
    heldBytes: () => (edits === undefined ? 0 : held.length),
  };
}

/** Whether all that has come is the beginning of a byte order mark. */
function isCutMark(bytes: Buffer): boolean {
  const { length } = bytes;
  return length < byteOrderMark.length && bytes.equals(byteOrderMark.subarray(0, length));
}

function isMark(bytes: Buffer): boolean {
  return bytes.subarray(0, byteOrderMark.length).equals(byteOrderMark);
}

/** The names of one chunk that are to be replaced. */
class Edits {
  readonly #replacement: Buffer;
  #tokens: { readonly start: number; readonly end: number }[] = [];

  constructor(replacement: Buffer) {
    this.#replacement = replacement;
  }

  add({ start, end }: FoundModel): void {
    if (end !== undefined) this.#tokens.push({ start, end });
  }

  /** The bytes before `to` with the replacements. */
  apply(bytes: Buffer, to: number): Buffer {
    if (this.#tokens.length === 0) return bytes.subarray(0, to);
    const pieces: Buffer[] = [];
    let passed = 0;
    for (const { start, end } of this.#tokens) {
      pieces.push(bytes.subarray(passed, start), this.#replacement);
      passed = end;
    }
    this.#tokens = [];
    pieces.push(bytes.subarray(passed, to));
    return Buffer.concat(pieces);
  }
}

class ServedModels {
  readonly #authorized: readonly string[];
  readonly #models: ServedModel[] = [];
  /** Every event of a stream says the same. */
  #last: string | undefined;

  constructor(authorized: readonly string[]) {
    this.#authorized = authorized;
  }

  add(said: string): void {
    if (said === this.#last) return;
    this.#last = said;
    const isAuthorized = this.#authorized.some((name) => saysSameModel(said, name));
    const name = said.slice(0, modelNameBytesMax);
    if (this.#models.some((each) => each.name === name && each.isAuthorized === isAuthorized)) {
      return;
    }
    // The last place is kept for a model that is not authorized.
    const placesMax = isAuthorized ? servedMax - 1 : servedMax;
    if (this.#models.length < placesMax) this.#models.push({ name, isAuthorized });
  }

  list(): readonly ServedModel[] {
    return [...this.#models];
  }
}

const dated = /^-20\d\d(-?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])$/;

/**
 * Whether a backend that was asked for `asked` honestly answers `said`: the same name, or the one of these that
 * providers are known for: a release date at the end (also in the place of `-latest`), Ollama's `:latest`, Gemini's
 * `models/`, or the leading segments that routed the request dropped.
 */
export function saysSameModel(said: string, asked: string): boolean {
  const name = said.startsWith("models/") ? said.slice("models/".length) : said;
  for (let rest = asked; rest !== ""; rest = afterSegment(rest)) {
    if (said === rest || isSpellingOf(name, rest)) return true;
  }
  return false;
}

function isSpellingOf(name: string, asked: string): boolean {
  if (name === asked || name === `${asked}:latest`) return true;
  const base = asked.endsWith("-latest") ? asked.slice(0, -"-latest".length) : asked;
  return base !== "" && name.startsWith(base) && dated.test(name.slice(base.length));
}

/** Without the first segment of a path; empty where it has only one. */
function afterSegment(name: string): string {
  const slash = name.indexOf("/");
  return slash < 0 ? "" : name.slice(slash + 1);
}

const framings: ReadonlyMap<string, Framing> = new Map([
  ["application/json", "document"],
  ["application/x-ndjson", "lines"],
  ["text/event-stream", "events"],
]);

function framingOf(headers: ReadonlyMap<string, string>, status: number): Framing | undefined {
  if (status < 200 || status > 299 || [204, 205, 206].includes(status)) return undefined;
  const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "";
  if (encoding !== "" && encoding !== "identity") return undefined;
  const contentType = headers.get("content-type") ?? "";
  const [type = "", ...parameters] = contentType.split(";").map((part) => part.trim());
  if (!parameters.every(isReadable)) return undefined;
  return framings.get(type.toLowerCase());
}

/** Whether a parameter of the content type is none that makes the bytes other than ASCII's. */
function isReadable(parameter: string): boolean {
  return !/^charset\b/i.test(parameter) || /^charset *= *"?(utf-?8|us-ascii)"?$/i.test(parameter);
}

/** OpenAI's Responses events hold the model in `response`, Anthropic's `message_start` in `message`. */
function placesOf(dialect: Dialect, framing: Framing): ModelPlaces {
  const allowsArray = dialect === "gemini" && framing === "document";
  if (dialect === "gemini") return { key: "modelVersion", holder: undefined, allowsArray };
  if (framing !== "events" || dialect === "ollama") {
    return { key: "model", holder: undefined, allowsArray };
  }
  return { key: "model", holder: dialect === "anthropic" ? "message" : "response", allowsArray };
}
