// JSON body -> the requested model, every other model it names, and the fields that it may not have.

import type { JsonMember } from "../json/scan.ts";
import { viewOf } from "../json/token.ts";
import {
  type BodyOptions,
  type Draft,
  isHarmlessName,
  type Refusal,
  refuse,
  tokenOf,
} from "./draft.ts";
import { fieldTableOf } from "./field-table.ts";
import { knownFields } from "./known-fields.ts";
import { applyField, applyTopRow, readText } from "./nested-fields.ts";
import type { BodyReading } from "./reading.ts";

/** Never throws; costs one pass over the body, and a shallow second one over the few values that can name models. */
export function readJsonBody(bytes: Uint8Array, options: BodyOptions): BodyReading {
  const { dialect, scanner, isText = false, modelRule = "required" } = options;
  const scan = scanner(bytes, { isText });
  if (!scan.ok) return refuse(scan.reason, { offset: scan.offset });
  const { members, containers } = scan;
  const draft: Draft = {
    bytes,
    view: viewOf(bytes),
    containers,
    options: { ...options, modelRule },
    table: fieldTableOf(dialect),
    known: knownFields(dialect),
    model: undefined,
    sameModels: [],
    nestedModels: [],
    fields: [],
    toolTypes: new Set(),
    texts: [],
  };
  for (const member of members) {
    const refusal = readMember(draft, member);
    if (refusal !== undefined) return refusal;
  }
  const refusal = readTexts(draft);
  if (refusal !== undefined) return refusal;
  const { model, sameModels, nestedModels, fields, toolTypes } = draft;
  if (model === undefined && modelRule === "required") return refuse("model_missing", {});
  return { ok: true, model, sameModels, nestedModels, fields, names: members, toolTypes };
}

/** Only `metadata` may be text that is read as an object. */
function readTexts(draft: Draft): Refusal | undefined {
  const node = draft.texts.length === 0 ? undefined : draft.table.member("metadata")?.node;
  if (node === undefined) return undefined;
  for (const span of draft.texts) {
    const refusal = readText(draft, node, span);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function readMember(draft: Draft, member: JsonMember): Refusal | undefined {
  const { key, kind, keyStart } = member;
  if (key === "model" || key === draft.options.modelField) return readModel(draft, member);
  const field = draft.table.member(key);
  const isKnown = draft.known.has(key);
  if (field !== undefined) {
    const { row } = field;
    const isListed = row?.rule === "refused" || row?.rule === "router" || row?.rule === "model";
    if (row !== undefined && kind === "null") {
      const refusal = applyTopRow(draft, { row, name: key, span: member });
      if (refusal !== undefined) return refusal;
    }
    // Ollama's clients write an empty second spelling beside the model: it names nothing.
    const isEmpty = kind === "string" && member.end - member.start === 2;
    if (key === "name" && isEmpty) return undefined;
    const refusal = applyField(draft, field, member);
    if (!isKnown && !isListed) noteUnknown(draft, member);
    return refusal;
  }
  if (isKnown) return undefined;
  const family = draft.table.family(key);
  if (family !== undefined) return applyTopRow(draft, { row: family.row, name: key, span: member });
  const meant = draft.table.misspelled(key);
  if (meant !== undefined) return refuse("body_key_not_allowed", { name: meant, offset: keyStart });
  noteUnknown(draft, member);
  return undefined;
}

function readModel(draft: Draft, member: JsonMember): Refusal | undefined {
  const { options, model } = draft;
  const isEmpty = member.kind === "string" && member.end - member.start === 2;
  // One of two fields may be there and empty; that none names a model is said at the end.
  if (options.modelField !== undefined && (isEmpty || member.kind === "null")) return undefined;
  if (member.kind === "null") {
    return options.modelRule === "required" ? refuse("model_missing", {}) : undefined;
  }
  const token = tokenOf(draft, member, member.key);
  if ("reason" in token) return token;
  if (model === undefined) draft.model = token;
  else draft.sameModels.push(token);
  return undefined;
}

/** Also one of null: it can take away what the backend's own configuration says under that name. */
function noteUnknown(draft: Draft, { key, start }: JsonMember): void {
  const path = isHarmlessName(key) ? key : "an unknown field";
  draft.fields.push({ path, ownPath: path, refusedFor: "router", offset: start });
}
