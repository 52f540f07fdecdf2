// The listed fields of a JSON body: what each row of the field table says, applied to the value that stands there.

import {
  firstEntry,
  keyStartsWith,
  matchKey,
  memberValue,
  nextEntry,
  stringOf,
  valueEnd,
} from "../json/cursor.ts";
import { openBrace, openBracket, quote, viewOf } from "../json/token.ts";
import {
  type Draft,
  endOf,
  isHarmlessName,
  type Refusal,
  readNestedModel,
  readSameModel,
  refuse,
  type Span,
} from "./draft.ts";
import { type FieldMember, type FieldNode, foldKey } from "./field-table.ts";
import { absentWhenNull, type FieldRow, fieldPath } from "./fields.ts";
import { readConfig, readTools } from "./hosted-tools.ts";

const letterN = 0x6e;

/** `name`: as the caller spells it. */
export type Named = { readonly row: FieldRow; readonly name: string; readonly span: Span };

/** Applies a row of the top level, also to null: see `absentWhenNull`. */
export function applyTopRow(draft: Draft, named: Named): Refusal | undefined {
  const { row, span } = named;
  if (draft.bytes[span.start] !== letterN) return applyRow(draft, named);
  const isForbidden = row.rule === "refused" || row.rule === "router";
  if (isForbidden && !absentWhenNull.has(row.name)) noteField(draft, named, "router");
  return undefined;
}

function applyRow(draft: Draft, named: Named): Refusal | undefined {
  const { row, span } = named;
  switch (row.rule) {
    case "model":
      return readNestedModel(draft, fieldPath(row), span);
    case "same":
      return readSameModel(draft, fieldPath(row), span);
    case "refused":
      noteField(draft, named, "always");
      return undefined;
    case "router":
      noteField(draft, named, "router");
      return undefined;
    case "tools":
    case "config":
    case "metadata":
      return undefined;
    default:
      return row.rule satisfies never;
  }
}

function noteField(draft: Draft, named: Named, refusedFor: "always" | "router"): void {
  const { row, name, span } = named;
  const path = fieldPath(row);
  const own = row.name.endsWith("*") && isHarmlessName(name) ? name : row.name;
  const ownPath = fieldPath({ name: own, place: row.place });
  draft.fields.push({ path, ownPath, refusedFor, offset: span.start });
}

/** A field of the table that has a value, and what is nested in it. */
export function applyField(draft: Draft, field: FieldMember, span: Span): Refusal | undefined {
  const first = draft.bytes[span.start];
  if (first === letterN) return undefined;
  const { row, node } = field;
  if (row !== undefined) {
    const refusal = applyRow(draft, { row, name: field.key, span });
    if (refusal !== undefined) return refusal;
  }
  if (node === undefined) return undefined;
  if (!isOfKind(field, node, first)) {
    return refuse("field_not_allowed", { name: field.path, offset: span.start });
  }
  // What a router reads as an object when it stands there as text.
  if (row?.rule === "metadata" && first === quote) draft.texts.push(span);
  return readPlace(draft, field, node, span);
}

/** Whether the value is of a kind that the place may have: in one of another kind, another parser finds other fields. */
function isOfKind({ key, row }: FieldMember, node: FieldNode, first: number | undefined): boolean {
  if (node.look === "tools") return first === openBracket;
  if (row?.rule === "metadata") return first === openBrace || first === quote;
  if (first === openBracket) return node.elements !== undefined || key === "context_management";
  return first !== openBrace || node.elements === undefined;
}

function readPlace(
  draft: Draft,
  { path }: FieldMember,
  node: FieldNode,
  span: Span,
): Refusal | undefined {
  const first = draft.bytes[span.start];
  if (first === openBracket && node.look === undefined) {
    return walkElements(draft, node, span);
  }
  if (node.look === "tools") return readTools(draft, span, path);
  const isContainer = first === openBrace || first === openBracket;
  if (node.look === "config" && isContainer) {
    const refusal = readConfig(draft, span, path);
    if (refusal !== undefined) return refusal;
  }
  return first === openBrace ? walkMembers(draft, node, span) : undefined;
}

function walkElements(draft: Draft, { elements }: FieldNode, span: Span): Refusal | undefined {
  // An embedding's input can be a million numbers or strings.
  if (elements === undefined || draft.containers.holdsNone(span.start)) return undefined;
  const { bytes, view } = draft;
  let start = firstEntry(bytes, view, span.start);
  while (start >= 0) {
    const end = endOf(draft, start);
    const refusal =
      bytes[start] === openBrace ? walkMembers(draft, elements, { start, end }) : undefined;
    if (refusal !== undefined) return refusal;
    start = nextEntry(bytes, view, end);
  }
  return undefined;
}

function walkMembers(draft: Draft, node: FieldNode, { start }: Span): Refusal | undefined {
  if (node.members.length === 0 && node.families.length === 0) return undefined;
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
  if (family === undefined || bytes[span.start] === letterN) return undefined;
  return applyRow(draft, { row: family.row, name: stringOf(bytes, key.start, key.end), span });
}

/**
 * A string in which a router may find an object: read strictly, each of its keys judged like one of the object's. Text
 * without a brace holds no object in any spelling; text with one that is not strict JSON may be another parser's.
 */
export function readText(draft: Draft, node: FieldNode, span: Span): Refusal | undefined {
  const { options } = draft;
  const text = stringOf(draft.bytes, span.start, span.end);
  if (!text.includes("{")) return undefined;
  const refusal = refuse("field_not_allowed", { name: "metadata", offset: span.start });
  if (!text.isWellFormed()) return refusal;
  const bytes = Buffer.from(text);
  const scan = options.scanner(bytes, { isText: options.isText === true });
  if (!scan.ok) return refusal;
  const inner: Draft = { ...draft, bytes, view: viewOf(bytes), containers: scan.containers };
  const before = draft.fields.length;
  const found = walkMembers(inner, node, { start: bytes.indexOf(openBrace), end: bytes.length });
  if (found !== undefined) return refusal;
  // Offsets are those of the text; the string stands where it stands.
  const noted = draft.fields.splice(before);
  draft.fields.push(...noted.map((field) => ({ ...field, offset: span.start })));
  return undefined;
}
