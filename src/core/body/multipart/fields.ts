// The parts of a form beside its model, judged by name like the keys of a JSON body, by the very same code: a part whose
// name the field table knows is read as the JSON that a router makes of it (LiteLLM merges forms into the same object,
// PHP, Rack and qs make objects of brackets).

import type { DenyDetail, DenyReason, Dialect } from "../../denials.ts";
import type { JsonScanner } from "../../json/scan.ts";
import { type JsonKind, openBrace } from "../../json/token.ts";
import { modelNameBytesMax } from "../../request.ts";
import { nestedModelsMax } from "../draft.ts";
import { type FieldNode, type FieldTable, fieldTableOf } from "../field-table.ts";
import { fieldPath } from "../fields.ts";
import { readJsonBody } from "../json-body.ts";
import { knownFormFields } from "../known-fields.ts";
import type { BodyReading, FoundField, ModelToken, TopField } from "../reading.ts";
import type { FormPart } from "./parts.ts";

export type FormFieldsOptions = {
  readonly dialect: Dialect;
  readonly scanner: JsonScanner;
};

export type Refusal = Extract<BodyReading, { readonly ok: false }>;

export function refuse(reason: DenyReason, detail: DenyDetail): Refusal {
  return { ok: false, reason, detail };
}

/** Most bytes of all values that are read as JSON: each is looked at twice. Honest ones are a few hundred bytes. */
export const jsonValueBytesMax = 1 << 20;

/** Anywhere in a hosted tool: whatever stands there is looked through. */
const withinHosted: FieldNode = {
  members: [],
  families: [],
  elements: undefined,
  look: "config",
};

/** Of every part: a form has no null. */
const partKind: JsonKind = "string";

/** A value that cannot be the name of a model, nor any word that the table looks for. */
const longText = "a".repeat(modelNameBytesMax + 1);

/** Whether every parser takes the part's bytes for text, ASCII for ASCII. */
export function isPlainText({ isFile, contentType }: FormPart): boolean {
  const plain =
    /^text\/plain(?: *; *charset=(?:"(?:utf-8|us-ascii|iso-8859-1)"|utf-8|us-ascii|iso-8859-1))?$/i;
  return !isFile && (contentType === undefined || plain.test(contentType));
}

function isJsonText(part: FormPart): boolean {
  const json = /^application\/json(?: *; *charset=(?:"utf-8"|utf-8))?$/i;
  return isPlainText(part) || (!part.isFile && json.test(part.contentType ?? ""));
}

/** `svg[model]` is `svg`, then `model`. */
type FieldName = { readonly base: string; readonly segments: readonly string[] };

const wholeName = /^([A-Za-z0-9_-][A-Za-z0-9_.-]*)((?:\[[A-Za-z0-9_-]*\])*)$/;

/** Undefined: brackets that parsers pair differently. */
function fieldNameOf(name: string): FieldName | undefined {
  const [, base, brackets = ""] = wholeName.exec(name) ?? [];
  if (base === undefined || base.endsWith(".")) return undefined;
  return { base, segments: brackets === "" ? [] : brackets.slice(1, -1).split("][") };
}

/** What no form may set: how others are read, the method (Rails, Laravel, Spring), and what objects inherit. */
const neverNames = /^(?:_charset_|_method|__proto__|constructor|prototype)$/i;

/** A class, for what is found is gathered part by part. */
export class FormFields {
  readonly sameModels: ModelToken[] = [];
  readonly nestedModels: ModelToken[] = [];
  readonly found: FoundField[] = [];
  readonly names: TopField[] = [];
  readonly toolTypes = new Set<string>();
  readonly #bytes: Uint8Array;
  readonly #options: FormFieldsOptions;
  readonly #table: FieldTable;
  readonly #known: ReadonlySet<string>;
  /** Names that the table knows and that may not come again. */
  readonly #seen = new Set<string>();
  #jsonBytes = 0;

  constructor(bytes: Uint8Array, { dialect, scanner }: FormFieldsOptions) {
    this.#bytes = bytes;
    this.#options = { dialect, scanner };
    this.#table = fieldTableOf(dialect);
    this.#known = knownFormFields(dialect);
  }

  /** Reads a part that is not the model. */
  add(part: FormPart): Refusal | undefined {
    const offset = part.start;
    const name = fieldNameOf(part.name);
    if (name === undefined) return refuse("body_key_not_allowed", { offset });
    const { base, segments } = name;
    const never = [base, ...segments].find((each) => neverNames.test(each));
    if (never !== undefined) return refuse("body_key_not_allowed", { name: never, offset });
    if (base === "model") return refuse("body_key_not_allowed", { name: "model", offset });
    const twin = base.includes(".") ? this.#dottedTwin(base) : undefined;
    if (twin !== undefined) return refuse("body_key_not_allowed", { name: twin, offset });

    this.names.push({ key: base, kind: partKind });
    const field = this.#table.member(base);
    if (field === undefined && this.#known.has(base)) return undefined;
    // A charset of its own would make other text of it, a file name nothing at all for some.
    if (field !== undefined && !isJsonText(part)) {
      return refuse("field_not_allowed", { name: field.path, offset });
    }
    if (field !== undefined && !segments.includes("")) {
      if (this.#seen.has(part.name)) {
        return refuse("body_duplicate_key", { name: field.path, offset });
      }
      this.#seen.add(part.name);
    }
    return this.#judge(part, name, field?.node);
  }

  /** PHP makes `api_base` of `api.base`, Spring and qs a place in `svg` of `svg.model`. */
  #dottedTwin(base: string): string | undefined {
    const [first = ""] = base.split(".");
    return this.#listedAs(first) ?? this.#listedAs(base.replaceAll(".", "_"));
  }

  #listedAs(key: string): string | undefined {
    if (key === "model") return key;
    const family = this.#table.family(key);
    const listed = family === undefined ? undefined : fieldPath(family.row);
    return this.#table.member(key)?.path ?? listed ?? this.#table.misspelled(key);
  }

  #judge(
    part: FormPart,
    { base, segments }: FieldName,
    top: FieldNode | undefined,
  ): Refusal | undefined {
    let node = top;
    let before = `{"model":"m","${base}":`;
    let after = "}";
    for (const segment of segments) {
      const isElement = node?.elements !== undefined || node?.look === "tools";
      if (segment === "" || /^[0-9]+$/.test(segment) || isElement) {
        before += "[";
        after = `]${after}`;
        node = node?.look === undefined ? node?.elements : withinHosted;
      } else {
        before += `{"${segment}":`;
        after = `}${after}`;
        node =
          node?.look === undefined
            ? node?.members.find(({ key }) => key === segment)?.node
            : withinHosted;
      }
    }
    const { start, end } = part;
    // Without a brace there is no object in it, and so no place that the table names.
    const isJson = node !== undefined && this.#bytes.subarray(start, end).includes(openBrace);
    if (!isJson) return this.#readBare(part, before, after);
    this.#jsonBytes += end - start;
    if (this.#jsonBytes > jsonValueBytesMax) {
      return refuse("field_not_allowed", { name: base, offset: start });
    }
    return this.#readJson(part, before, after);
  }

  #readBare(part: FormPart, before: string, after: string): Refusal | undefined {
    const { start, end } = part;
    const length = end - start;
    const value =
      length > modelNameBytesMax
        ? longText
        : Buffer.from(this.#bytes.subarray(start, end)).toString("latin1");
    const json = Buffer.from(before + JSON.stringify(value) + after);
    const toToken = (token: ModelToken): ModelToken => {
      return { ...token, offset: start, length, form: "bare" };
    };
    return this.#take(part, json, toToken, isPlainText(part));
  }

  #readJson(part: FormPart, before: string, after: string): Refusal | undefined {
    const value = this.#bytes.subarray(part.start, part.end);
    const scan = this.#options.scanner(around('{"v":', value, "}"));
    // One member: nothing in it closes the object that is written around it.
    if (!scan.ok || scan.members.length !== 1) {
      const reason = scan.ok || scan.reason === "body_not_utf8" ? "body_not_json" : scan.reason;
      return refuse(reason, { offset: part.start });
    }
    const json = around(before, value, after);
    const shift = part.start - before.length;
    const toToken = (token: ModelToken): ModelToken => {
      return { ...token, offset: token.offset + shift };
    };
    return this.#take(part, json, toToken, true);
  }

  /** Reads the part as a whole JSON body that has nothing else in it. */
  #take(
    part: FormPart,
    json: Buffer,
    toToken: (token: ModelToken) => ModelToken,
    mayNameModels: boolean,
  ): Refusal | undefined {
    const reading = readJsonBody(json, { ...this.#options, isFormPart: true });
    const offset = part.start;
    if (!reading.ok) {
      const { name } = reading.detail;
      return refuse(reading.reason, name === undefined ? { offset } : { name, offset });
    }
    const { sameModels, nestedModels, fields, toolTypes } = reading;
    const [first = sameModels[0]] = nestedModels;
    const count = this.nestedModels.length + nestedModels.length;
    if (first !== undefined && (!mayNameModels || count > nestedModelsMax)) {
      return refuse("field_not_allowed", { name: first.place, offset });
    }
    const { partLength } = part;
    const inPart = (token: ModelToken): ModelToken => {
      return partLength === undefined ? toToken(token) : { ...toToken(token), partLength };
    };
    this.sameModels.push(...sameModels.map(inPart));
    this.nestedModels.push(...nestedModels.map(inPart));
    this.found.push(...fields.map((field) => ({ ...field, offset })));
    for (const type of toolTypes) this.toolTypes.add(type);
    return undefined;
  }
}

function around(before: string, value: Uint8Array, after: string): Buffer {
  return Buffer.concat([Buffer.from(before), value, Buffer.from(after)]);
}
