// JSON body -> the requested model, every other model it names, and the fields that it may not have.

import type { BodyReading, ModelToken } from "./body-reading.ts";
import type { DenyDetail, DenyReason, Dialect } from "./decision.ts";
import { type FieldPlace, fieldRowOf, foldKey, misspelledField } from "./fields.ts";
import { elementsOf, type JsonSpan, membersOf, stringOf } from "./json-cursor.ts";
import type { JsonMember, JsonScanner } from "./json-scan.ts";
import { knownFields } from "./known-fields.ts";
import { isModelName } from "./model-name.ts";

export type BodyOptions = {
  readonly dialect: Dialect;
  /** Names of the field table that are let through all the same. */
  readonly bodyFields: ReadonlySet<string>;
  readonly scanner: JsonScanner;
  /** The body is sanitised text; see JsonScanOptions. */
  readonly isText: boolean;
};

/** Longest model token that is decoded: 256 characters, each escaped, and quotes. */
const modelTokenBytesMax = 256 * 6 + 2;

type Draft = {
  readonly bytes: Uint8Array;
  readonly options: BodyOptions;
  model: ModelToken | undefined;
  readonly nestedModels: ModelToken[];
  readonly routerFields: string[];
  readonly strictFields: string[];
};

type Refusal = { readonly ok: false; readonly reason: DenyReason; readonly detail: DenyDetail };

/** Never throws; costs one pass, and a second shallow one over the few values that can name models. */
export function readJsonBody(bytes: Uint8Array, options: BodyOptions): BodyReading {
  const scan = options.scanner(bytes, { isText: options.isText });
  if (!scan.ok) return refuse(scan.reason, { offset: scan.offset });
  const draft: Draft = {
    bytes,
    options,
    model: undefined,
    nestedModels: [],
    routerFields: [],
    strictFields: [],
  };
  for (const member of scan.members) {
    const refusal = readMember(draft, member);
    if (refusal !== undefined) return refusal;
  }
  const { model, nestedModels, routerFields, strictFields } = draft;
  if (model === undefined) return refuse("model_missing", {});
  return { ok: true, model, nestedModels, routerFields, strictFields };
}

function readMember(draft: Draft, member: JsonMember): Refusal | undefined {
  const { key, kind } = member;
  const { dialect } = draft.options;
  const meant = misspelledField(key);
  if (meant !== undefined) return refuse("body_key_not_allowed", { name: meant });
  if (key === "model") {
    if (kind === "null") return refuse("model_missing", {});
    const token = kind === "string" ? tokenOf(draft.bytes, member, "model") : undefined;
    if (token === undefined)
      return refuse("model_invalid", { name: "model", offset: member.start });
    draft.model = token;
    return undefined;
  }
  // A field without a value reaches nothing.
  if (kind === "null") return undefined;
  if (dialect === "ollama" && key === "name") return refuse("field_not_allowed", { name: key });
  const refusal = applyRule(draft, { place: "top", key, span: member, label: key });
  if (refusal !== undefined) return refusal;
  if (!knownFields(dialect).has(key) && fieldRowOf("top", key) === undefined) {
    draft.strictFields.push(key);
  }
  return readNested(draft, member);
}

/** The few named places below the top level; nothing else that is nested is ever looked at. */
function readNested(draft: Draft, { key, kind, start, end }: JsonMember): Refusal | undefined {
  const span = { start, end };
  if (kind === "array") return key === "tools" ? readTools(draft, span) : undefined;
  if (kind !== "object") return undefined;
  if (key === "metadata" || key === "parameters" || key === "compound_custom") {
    for (const entry of membersOf(draft.bytes, span)) {
      if (isNull(draft.bytes, entry)) continue;
      const label = `${key}.${entry.key}`;
      const refusal = applyRule(draft, { place: key, key: entry.key, span: entry, label });
      if (refusal !== undefined) return refusal;
    }
  }
  if (key === "moderation" || key === "svg") return readModelIn(draft, span, `${key}.model`);
  return undefined;
}

function readTools(draft: Draft, span: JsonSpan): Refusal | undefined {
  const { bytes } = draft;
  for (const tool of elementsOf(bytes, span)) {
    if (bytes[tool.start] !== 0x7b) continue;
    for (const entry of membersOf(bytes, tool)) {
      let refusal = misspelledModel(entry.key, "tools[].model");
      if (entry.key === "model") refusal = readNestedModel(draft, entry, "tools[].model");
      else if (entry.key === "svg" && bytes[entry.start] === 0x7b) {
        refusal = readModelIn(draft, entry, "tools[].svg.model");
      } else if (entry.key === "type" && bytes[entry.start] === 0x22) {
        if (stringOf(bytes, entry) === "mcp") draft.strictFields.push("tools[].type");
      }
      if (refusal !== undefined) return refusal;
    }
  }
  return undefined;
}

function readModelIn(draft: Draft, span: JsonSpan, place: string): Refusal | undefined {
  for (const entry of membersOf(draft.bytes, span)) {
    const misspelled = misspelledModel(entry.key, place);
    if (entry.key !== "model" && misspelled === undefined) continue;
    const refusal = misspelled ?? readNestedModel(draft, entry, place);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** Backends in Go read `Model` as `model`. */
function misspelledModel(key: string, place: string): Refusal | undefined {
  if (key === "model" || foldKey(key) !== "model") return undefined;
  return refuse("body_key_not_allowed", { name: place });
}

function readNestedModel(draft: Draft, span: JsonSpan, place: string): Refusal | undefined {
  if (isNull(draft.bytes, span)) return undefined;
  const token = draft.bytes[span.start] === 0x22 ? tokenOf(draft.bytes, span, place) : undefined;
  if (token === undefined) return refuse("model_invalid", { name: place, offset: span.start });
  draft.nestedModels.push(token);
  return undefined;
}

type Ruled = {
  readonly place: FieldPlace;
  readonly key: string;
  readonly span: JsonSpan;
  /** How a refusal names the field. */
  readonly label: string;
};

function applyRule(draft: Draft, { place, key, span, label }: Ruled): Refusal | undefined {
  const row = fieldRowOf(place, key);
  if (row === undefined || draft.options.bodyFields.has(row.name)) return undefined;
  switch (row.rule) {
    case "refused":
      // A family is named by its own name: the rest of the key is the caller's.
      return refuse("field_not_allowed", { name: row.name.endsWith("*") ? row.name : label });
    case "router":
      draft.routerFields.push(label);
      return undefined;
    case "strict":
      draft.strictFields.push(label);
      return undefined;
    case "model":
      return readNestedModel(draft, span, label);
    default:
      return row.rule satisfies never;
  }
}

function isNull(bytes: Uint8Array, { start }: JsonSpan): boolean {
  return bytes[start] === 0x6e;
}

/** undefined: not a model name once its escapes are decoded. */
function tokenOf(
  bytes: Uint8Array,
  { start, end }: JsonSpan,
  place: string,
): ModelToken | undefined {
  if (end - start > modelTokenBytesMax) return undefined;
  const name = stringOf(bytes, { start, end });
  return isModelName(name) ? { name, offset: start, length: end - start, place } : undefined;
}

function refuse(reason: DenyReason, detail: DenyDetail): Refusal {
  return { ok: false, reason, detail };
}
