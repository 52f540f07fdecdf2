// Tools that the backend runs itself, wherever they stand: each string in them that names a model is a model that can run
// beside the main one. The caller's own tools (functions, custom ones) hold JSON schemas, which are never touched.

import { firstEntry, memberValue, nextEntry, stringOf, valueEnd } from "../json/cursor.ts";
import { isAt, openBrace, openBracket, quote, skipSpace } from "../json/token.ts";
import {
  type Draft,
  endOf,
  isHarmlessName,
  type Refusal,
  readNestedModel,
  refuse,
  type Span,
} from "./draft.ts";
import { foldKey } from "./field-table.ts";

/** What describes a function to the model: OpenAI's, Anthropic's, Ollama's and Gemini's members. */
const describesFunction: ReadonlySet<string> = new Set([
  ...["function", "parameters", "input_schema", "inputSchema", "output_schema", "custom", "format"],
  ...["functionDeclarations", "function_declarations", "input_examples", "strict"],
]);

/** Members whose own members are names of the caller's choice: properties of schemas, tools of an MCP server. */
const namesOfCaller: ReadonlySet<string> = new Set([
  ...["properties", "$defs", "definitions", "patternProperties", "dependentSchemas", "configs"],
]);

/**
 * Whether a member with this folded name says which model runs: `model`, `models`, `analysis_models`, `modelName`,
 * `model_id`, `deployment`, `fallbacks`.
 */
const modelKey =
  /(?:models?|deployments?)(?:names?|ids?|slugs?|keys?|refs?|paths?|ur[il]s?|arns?|alias(?:es)?)?$|^fallbacks?$/;

/** Whether a member of a hosted tool says which model runs, however its name is spelled. */
export function namesModel(key: string): boolean {
  return modelKey.test(foldKey(key));
}

/** What a key means in a hosted tool, however it is spelled. */
type KeyClass = {
  readonly namesModel: boolean;
  readonly areTools: boolean;
  readonly isNamedByCaller: boolean;
  readonly describesFunction: boolean;
  /** The key that a reader which folds keys takes it for: it decides what the tool is, or which model it runs. */
  readonly misspelled: "model" | "type" | undefined;
};

function toKeyClass(key: string): KeyClass {
  const folded = foldKey(key);
  const decides = folded === "model" || folded === "type" ? folded : undefined;
  return {
    namesModel: modelKey.test(folded),
    areTools: folded === "tools",
    isNamedByCaller: namesOfCaller.has(key),
    describesFunction: describesFunction.has(key),
    misspelled: decides === key ? undefined : decides,
  };
}

/** Short keys come again and again: their strings are kept, one for each value of a few bits of theirs. */
const keptKeys: string[] = Array.from({ length: 64 }, () => "");

/** The text of a key token between two offsets, quotes included. */
function keyText(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start - 2;
  const place = ((bytes[start + 1] ?? 0) * 7 + (bytes[end - 2] ?? 0) + length) & 63;
  const kept = keptKeys[place] ?? "";
  // A key with escapes is longer than its text, so that it is never taken for a kept one.
  if (kept.length === length && isAt(bytes, start + 1, kept)) return kept;
  const text = stringOf(bytes, start, end);
  if (text.length === length && length <= 32) keptKeys[place] = text;
  return text;
}

/** The classes of the first short keys that were met: the same few come again and again. */
const keyClasses = new Map<string, KeyClass>();
const keyClassesMax = 1024;

function keyClassOf(key: string): KeyClass {
  const kept = keyClasses.get(key);
  if (kept !== undefined) return kept;
  const made = toKeyClass(key);
  if (key.length <= 32 && keyClasses.size < keyClassesMax) keyClasses.set(key, made);
  return made;
}

/** Most tools within tools; honest ones have two levels. Each costs one more look at what is nested in it. */
export const toolDepthMax = 4;

/** A place of the table that holds an array of tools. */
export function readTools(draft: Draft, span: Span, path: string): Refusal | undefined {
  const reader = new HostedReader(draft);
  reader.elements(span.start, { path: `${path}[]`, areTools: true, onlyObjects: true });
  return reader.refusal;
}

/** Looks through an object or array for strings that name models. */
export function readConfig(draft: Draft, span: Span, path: string): Refusal | undefined {
  const reader = new HostedReader(draft);
  if (draft.bytes[span.start] === openBracket) reader.elements(span.start, { path: `${path}[]` });
  else reader.members(span.start, { path });
  return reader.refusal;
}

type Place = {
  readonly path: string;
  /** Of an array: its objects are tools. */
  readonly areTools?: boolean;
  /** Of an array: whatever is no object is refused. */
  readonly onlyObjects?: boolean;
  /** Of an object: its members are names of the caller's, for objects. */
  readonly isNamedByCaller?: boolean;
  /** Of an object: it is a tool, and what may describe a function waits until its type is known. */
  readonly waiting?: Member[];
};

type FoundType = { type: string | undefined };
type Member = { readonly key: string; readonly start: number };

const failed = -1;

/**
 * A class, for it goes once through what is nested however deep: methods return the offset after what they have read, or
 * `failed`. As deep as the scanner admits, 64 levels.
 */
class HostedReader {
  readonly #draft: Draft;
  #toolDepth = 0;
  refusal: Refusal | undefined;

  constructor(draft: Draft) {
    this.#draft = draft;
    this.refusal = undefined;
  }

  elements(start: number, place: Place): number {
    const { bytes, view } = this.#draft;
    let end = start + 1;
    for (let at = firstEntry(bytes, view, start); at >= 0; at = nextEntry(bytes, view, end)) {
      end = this.#element(at, place);
      if (end < 0) return failed;
    }
    return this.#after(end);
  }

  #element(at: number, place: Place): number {
    const first = this.#draft.bytes[at];
    if (first === openBrace) {
      return place.areTools === true ? this.#tool(at, place.path) : this.members(at, place);
    }
    if (place.onlyObjects === true) {
      return this.#fail(refuse("field_not_allowed", { name: place.path, offset: at }));
    }
    return first === openBracket ? this.elements(at, place) : endOf(this.#draft, at);
  }

  #tool(start: number, path: string): number {
    if (this.#toolDepth === toolDepthMax) {
      return this.#fail(refuse("field_not_allowed", { name: path, offset: start }));
    }
    this.#toolDepth++;
    const waiting: Member[] = [];
    const { toolTypes, options } = this.#draft;
    const found: FoundType = { type: undefined };
    const end = this.members(start, { path, waiting }, found);
    if (end < 0) return failed;
    const { type } = found;
    if (type !== undefined) toolTypes.add(type);
    const isOfCaller = type === undefined || type === "function" || type === "custom";
    // A part of a form is read alone: that it belongs to a function stands in another part.
    if (!isOfCaller || options.isFormPart === true) {
      for (const { key, start: value } of waiting) {
        if (this.#member(key, value, { path }, value) < 0) return failed;
      }
    }
    this.#toolDepth--;
    return end;
  }

  members(start: number, place: Place, found?: FoundType): number {
    const draft = this.#draft;
    const { bytes, view } = draft;
    let end = start + 1;
    for (let at = firstEntry(bytes, view, start); at >= 0; at = nextEntry(bytes, view, end)) {
      const keyEnd = valueEnd(bytes, view, at);
      const key = keyText(bytes, at, keyEnd);
      const value = memberValue(bytes, view, keyEnd);
      if (place.waiting !== undefined && keyClassOf(key).describesFunction) {
        place.waiting.push({ key, start: value });
        end = endOf(draft, value);
        continue;
      }
      if (found !== undefined && key === "type") found.type = this.#typeAt(value);
      end = this.#member(key, value, place, at);
      if (end < 0) return failed;
    }
    return this.#after(end);
  }

  /** Undefined: null, as if there were none. A type that is no string is one that nobody knows: "". */
  #typeAt(value: number): string | undefined {
    const { bytes, view } = this.#draft;
    if (bytes[value] === quote) return stringOf(bytes, value, valueEnd(bytes, view, value));
    return bytes[value] === 0x6e ? undefined : "";
  }

  #member(key: string, value: number, place: Place, keyStart: number): number {
    const first = this.#draft.bytes[value];
    const { namesModel, areTools, isNamedByCaller, misspelled } = keyClassOf(key);
    if (first === openBrace && place.isNamedByCaller === true) {
      return this.members(value, { path: pathOf(place.path, key), isNamedByCaller });
    }
    if (misspelled !== undefined) {
      const name = `${place.path}.${misspelled}`;
      return this.#fail(refuse("body_key_not_allowed", { name, offset: keyStart }));
    }
    if (first !== openBrace && first !== openBracket && !namesModel) {
      return endOf(this.#draft, value);
    }
    const path = pathOf(place.path, key);
    if (first === openBrace) {
      if (namesModel) return this.#fail(refuse("model_invalid", { name: path, offset: value }));
      return this.members(value, { path, isNamedByCaller });
    }
    if (namesModel) return this.#names(value, path);
    return this.elements(value, { path: `${path}[]`, areTools });
  }

  /** The value of a member that names a model, or several. */
  #names(value: number, path: string): number {
    const draft = this.#draft;
    const { bytes, view } = draft;
    const end = endOf(draft, value);
    // Without a value it names nothing.
    if (bytes[value] === 0x6e) return end;
    if (bytes[value] !== openBracket) return this.#name({ start: value, end }, path);
    for (let at = firstEntry(bytes, view, value); at >= 0; ) {
      const name = { start: at, end: endOf(draft, at) };
      if (this.#name(name, `${path}[]`) < 0) return failed;
      at = nextEntry(bytes, view, name.end);
    }
    return end;
  }

  #name(span: Span, path: string): number {
    const refusal = readNestedModel(this.#draft, path, span);
    return refusal === undefined ? span.end : this.#fail(refusal);
  }

  /** The offset after the bracket that closes what ends at `end`. */
  #after(end: number): number {
    const { bytes, view } = this.#draft;
    return skipSpace(bytes, view, end) + 1;
  }

  #fail(refusal: Refusal): number {
    this.refusal = refusal;
    return failed;
  }
}

/** Longest place that a refusal repeats; what lies deeper is named by its beginning. */
const pathLengthMax = 128;

function pathOf(before: string, key: string): string {
  const path = `${before}.${isHarmlessName(key) ? key : "?"}`;
  return path.length > pathLengthMax ? before : path;
}
