// JSON body -> the requested model, every other model it names, and the fields that it may not have.

import type { DenyDetail, DenyReason, Dialect } from "../denials.ts";
import type { BodyModelRule } from "../http/operations.ts";
import type { JsonContainers } from "../json/containers.ts";
import {
  firstEntry,
  keyStartsWith,
  matchKey,
  memberValue,
  nextEntry,
  stringOf,
  valueEnd,
} from "../json/cursor.ts";
import type { JsonMember, JsonScanner } from "../json/scan.ts";
import { backslash, isAt, openBrace, openBracket, quote, viewOf } from "../json/token.ts";
import { isModelName } from "../permission/model-name.ts";
import { modelNameBytesMax } from "../request.ts";
import {
  type FieldMember,
  type FieldNode,
  type FieldRow,
  type FieldTable,
  fieldPath,
  fieldTableOf,
  foldKey,
} from "./fields.ts";
import { knownFields } from "./known-fields.ts";
import type { BodyReading, ModelToken } from "./reading.ts";

export type BodyOptions = {
  readonly dialect: Dialect;
  /** Default `required`. */
  readonly modelRule?: BodyModelRule;
  /** Paths of the field table (`fieldPath`) that are let through all the same; those with the rule `model` are checked nevertheless. */
  readonly bodyFields: ReadonlySet<string>;
  readonly scanner: JsonScanner;
  /** A second field that names the model where `model` is absent or empty. Default none. */
  readonly modelField?: "name" | undefined;
  /** The body is sanitised text; see JsonScanOptions. Default false. */
  readonly isText?: boolean;
};

/** Most models beside the main one. Each is authorized by itself; honest bodies have a handful. */
export const nestedModelsMax = 64;
/** Most spellings of the main model: one for each text of a batch of embeddings, of which Gemini takes 100. */
export const sameModelsMax = 1000;
/** Most router or strict fields that are noted: the first one found decides. */
const notedFieldsMax = 32;
/** Longest model token that is decoded: each character escaped, and the quotes. */
const modelTokenBytesMax = modelNameBytesMax * 6 + 2;

type Draft = {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly containers: JsonContainers;
  readonly options: BodyOptions;
  readonly modelRule: BodyModelRule;
  readonly table: FieldTable;
  readonly known: ReadonlySet<string>;
  model: ModelToken | undefined;
  readonly sameModels: ModelToken[];
  readonly nestedModels: ModelToken[];
  readonly routerFields: string[];
  readonly strictFields: string[];
};

type Span = { readonly start: number; readonly end: number };
type Refusal = { readonly ok: false; readonly reason: DenyReason; readonly detail: DenyDetail };

/** Never throws; costs one pass over the body, and a shallow second one over the few values that can name models. */
export function readJsonBody(bytes: Uint8Array, options: BodyOptions): BodyReading {
  const { dialect, scanner, isText = false, modelRule = "required" } = options;
  const scan = scanner(bytes, { isText });
  if (!scan.ok) return refuse(scan.reason, { offset: scan.offset });
  const draft: Draft = {
    bytes,
    view: viewOf(bytes),
    containers: scan.containers,
    options,
    modelRule,
    table: fieldTableOf(dialect),
    known: knownFields(dialect),
    model: undefined,
    sameModels: [],
    nestedModels: [],
    routerFields: [],
    strictFields: [],
  };
  for (const member of scan.members) {
    const refusal = readMember(draft, member);
    if (refusal !== undefined) return refusal;
  }
  const { model, sameModels, nestedModels, routerFields, strictFields } = draft;
  if (model === undefined && modelRule === "required") return refuse("model_missing", {});
  return { ok: true, model, sameModels, nestedModels, routerFields, strictFields };
}

function readMember(draft: Draft, member: JsonMember): Refusal | undefined {
  const { key, kind, keyStart } = member;
  if (key === "model" || key === draft.options.modelField) return readModel(draft, member);
  const field = draft.table.member(key);
  const isKnown = draft.known.has(key);
  if (field !== undefined) {
    if (!isKnown && field.rules.length === 0 && kind !== "null") noteUnknown(draft, key);
    return applyField(draft, field, member);
  }
  if (isKnown) return undefined;
  const family = draft.table.family(key);
  if (family !== undefined) {
    return kind === "null" ? undefined : applyRule(draft, family.row, member);
  }
  const meant = draft.table.misspelled(key);
  if (meant !== undefined) return refuse("body_key_not_allowed", { name: meant, offset: keyStart });
  if (kind !== "null") noteUnknown(draft, key);
  return undefined;
}

function readModel(draft: Draft, member: JsonMember): Refusal | undefined {
  const { modelRule, options, model } = draft;
  const isEmpty = member.kind === "string" && member.end - member.start === 2;
  // One of two fields may be there and empty; that none names a model is said at the end.
  if (options.modelField !== undefined && (isEmpty || member.kind === "null")) return undefined;
  if (member.kind === "null") {
    return modelRule === "required" ? refuse("model_missing", {}) : undefined;
  }
  const token = tokenOf(draft, member, member.key);
  if ("reason" in token) return token;
  if (model === undefined) draft.model = token;
  else draft.sameModels.push(token);
  return undefined;
}

/** A name of the caller's own is repeated only when it is harmless wherever it ends up. */
function noteUnknown(draft: Draft, key: string): void {
  note(draft.strictFields, /^[A-Za-z0-9_.$-]{1,64}$/.test(key) ? key : "an unknown field");
}

function note(fields: string[], name: string): void {
  if (fields.length < notedFieldsMax && !fields.includes(name)) fields.push(name);
}

function applyField(draft: Draft, field: FieldMember, span: Span): Refusal | undefined {
  const { bytes } = draft;
  const first = bytes[span.start];
  // A field without a value reaches nothing.
  if (first === 0x6e) return undefined;
  for (const { row, value } of field.rules) {
    if (value !== undefined && !isString(bytes, span, value)) continue;
    const refusal = applyRule(draft, row, span);
    if (refusal !== undefined) return refusal;
  }
  return field.node === undefined ? undefined : walk(draft, field.node, span);
}

function applyRule(draft: Draft, row: FieldRow, span: Span): Refusal | undefined {
  const path = fieldPath(row);
  if (row.rule === "model") return readNestedModel(draft, draft.nestedModels, path, span);
  if (row.rule === "same") return readNestedModel(draft, draft.sameModels, path, span);
  if (draft.options.bodyFields.has(path)) return undefined;
  switch (row.rule) {
    case "refused":
      return refuse("field_not_allowed", { name: path, offset: span.start });
    case "router":
      note(draft.routerFields, path);
      return undefined;
    case "strict":
      note(draft.strictFields, path);
      return undefined;
    default:
      return row.rule satisfies never;
  }
}

/** As deep as the table is: four levels. */
function walk(draft: Draft, node: FieldNode, span: Span): Refusal | undefined {
  const first = draft.bytes[span.start];
  if (first === openBrace) return walkMembers(draft, node, span);
  return first === openBracket ? walkElements(draft, node, span) : undefined;
}

function walkElements(draft: Draft, { elements }: FieldNode, span: Span): Refusal | undefined {
  // An embedding's input can be a million numbers or strings.
  if (elements === undefined || draft.containers.holdsNone(span.start)) return undefined;
  const { bytes, view } = draft;
  let start = firstEntry(bytes, view, span.start);
  while (start >= 0) {
    const end = endOf(draft, start);
    const refusal = walk(draft, elements, { start, end });
    if (refusal !== undefined) return refusal;
    start = nextEntry(bytes, view, end);
  }
  return undefined;
}

function walkMembers(draft: Draft, node: FieldNode, { start }: Span): Refusal | undefined {
  const { bytes, view } = draft;
  let at = firstEntry(bytes, view, start);
  while (at >= 0) {
    const key = { start: at, end: valueEnd(bytes, view, at) };
    const value = memberValue(bytes, view, key.end);
    const span = { start: value, end: endOf(draft, value) };
    const refusal = readNestedMember(draft, node, key, span);
    if (refusal !== undefined) return refusal;
    at = nextEntry(bytes, view, span.end);
  }
  return undefined;
}

function endOf({ bytes, view, containers }: Draft, start: number): number {
  const first = bytes[start];
  const noted = first === openBrace || first === openBracket ? containers.endOf(start) : -1;
  return noted < 0 ? valueEnd(bytes, view, start) : noted;
}

function readNestedMember(
  draft: Draft,
  { members, families }: FieldNode,
  key: Span,
  span: Span,
): Refusal | undefined {
  const { bytes } = draft;
  let misspelled: FieldMember | undefined;
  for (const member of members) {
    const match = matchKey(bytes, key, member, foldKey);
    if (match === "exact") return applyField(draft, member, span);
    if (match === "folded" && member.isGuarded) misspelled ??= member;
  }
  if (misspelled !== undefined) {
    return refuse("body_key_not_allowed", { name: misspelled.path, offset: key.start });
  }
  const family = families.find(({ prefix }) => keyStartsWith(bytes, key, prefix));
  if (family === undefined || bytes[span.start] === 0x6e) return undefined;
  return applyRule(draft, family.row, span);
}

function readNestedModel(
  draft: Draft,
  models: ModelToken[],
  place: string,
  span: Span,
): Refusal | undefined {
  const max = models === draft.sameModels ? sameModelsMax : nestedModelsMax;
  if (models.length === max)
    return refuse("field_not_allowed", { name: place, offset: span.start });
  const token = tokenOf(draft, span, place);
  if ("reason" in token) return token;
  models.push(token);
  return undefined;
}

/** The token as a model name, its escapes decoded. */
function tokenOf(draft: Draft, { start, end }: Span, place: string): ModelToken | Refusal {
  const { bytes, options, modelRule } = draft;
  const detail = { name: place, offset: start };
  const length = end - start;
  if (bytes[start] !== quote || length > modelTokenBytesMax) return refuse("model_invalid", detail);
  const text = stringOf(bytes, start, end);
  if (!text.isWellFormed()) return refuse("body_lone_surrogate", detail);
  const prefix = options.dialect === "gemini" && text.startsWith("models/") ? "models/" : "";
  const name = text.slice(prefix.length);
  // What the path overrides may be any text: Azure's clients write there what they like.
  const isFree = modelRule === "overridden" && place === "model";
  if (!isFree && !isModelName(name)) return refuse("model_invalid", detail);
  return { name, offset: start, length, place, form: "json", prefix };
}

function isString(bytes: Uint8Array, { start, end }: Span, text: string): boolean {
  if (bytes[start] !== quote || end - start > text.length * 6 + 2) return false;
  if (isAt(bytes, start + 1, text)) return end - start === text.length + 2;
  return bytes.subarray(start, end).includes(backslash) && stringOf(bytes, start, end) === text;
}

function refuse(reason: DenyReason, detail: DenyDetail): Refusal {
  return { ok: false, reason, detail };
}
