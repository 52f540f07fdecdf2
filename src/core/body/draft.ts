// What is known of a JSON body while it is read, and how a place in it becomes the name of a model: shared by the readers
// of the top level, of listed places and of hosted tools.

import type { DenyDetail, DenyReason, Dialect } from "../denials.ts";
import type { BodyModelRule } from "../http/operations.ts";
import type { JsonContainers } from "../json/containers.ts";
import { stringOf, valueEnd } from "../json/cursor.ts";
import type { JsonScanner } from "../json/scan.ts";
import { openBrace, openBracket, quote } from "../json/token.ts";
import { isModelName } from "../permission/model-name.ts";
import { modelNameBytesMax } from "../request.ts";
import type { FieldTable } from "./field-table.ts";
import type { FoundField, ModelToken } from "./reading.ts";

export type BodyOptions = {
  readonly dialect: Dialect;
  /** Default `required`. */
  readonly modelRule?: BodyModelRule;
  readonly scanner: JsonScanner;
  /** A second field that names the model where `model` is absent or empty. Default none. */
  readonly modelField?: "name" | undefined;
  /** The body is sanitised text; see JsonScanOptions. Default false. */
  readonly isText?: boolean;
  /** It is one part of a form, whose other parts may say what kind of tool it belongs to. Default false. */
  readonly isFormPart?: boolean;
};

/** Most models beside the main one. Each is authorized by itself; honest bodies have a handful. */
export const nestedModelsMax = 64;
/** Most spellings of the main model: one for each text of a batch of embeddings, of which Gemini takes 100. */
export const sameModelsMax = 1000;
/** Longest model token that is decoded: each character escaped, and the quotes. */
const modelTokenBytesMax = modelNameBytesMax * 6 + 2;

export type Span = { readonly start: number; readonly end: number };

export type Refusal = {
  readonly ok: false;
  readonly reason: DenyReason;
  readonly detail: DenyDetail;
};

export type Draft = {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly containers: JsonContainers;
  readonly options: BodyOptions;
  readonly table: FieldTable;
  readonly known: ReadonlySet<string>;
  model: ModelToken | undefined;
  readonly sameModels: ModelToken[];
  readonly nestedModels: ModelToken[];
  /** At most one for each key of the body's few listed objects. */
  readonly fields: FoundField[];
  readonly toolTypes: Set<string>;
  /** Strings that are read as JSON once the body itself has been: the scanner holds one body at a time. */
  readonly texts: Span[];
};

export function refuse(reason: DenyReason, detail: DenyDetail): Refusal {
  return { ok: false, reason, detail };
}

export function endOf({ bytes, view, containers }: Draft, start: number): number {
  const first = bytes[start];
  let noted = -1;
  if (first === openBrace || first === openBracket) noted = containers.endOf(start);
  else if (first === quote) noted = containers.textEndOf(start);
  return noted < 0 ? valueEnd(bytes, view, start) : noted;
}

export function readNestedModel(draft: Draft, place: string, span: Span): Refusal | undefined {
  return addModel(draft, draft.nestedModels, place, span);
}

export function readSameModel(draft: Draft, place: string, span: Span): Refusal | undefined {
  return addModel(draft, draft.sameModels, place, span);
}

function addModel(
  draft: Draft,
  models: ModelToken[],
  place: string,
  span: Span,
): Refusal | undefined {
  const max = models === draft.sameModels ? sameModelsMax : nestedModelsMax;
  if (models.length === max) {
    return refuse("field_not_allowed", { name: place, offset: span.start });
  }
  const token = tokenOf(draft, span, place);
  if ("reason" in token) return token;
  models.push(token);
  return undefined;
}

/** The token as a model name, its escapes decoded. */
export function tokenOf(draft: Draft, { start, end }: Span, place: string): ModelToken | Refusal {
  const { bytes, options } = draft;
  const detail = { name: place, offset: start };
  const length = end - start;
  if (bytes[start] !== quote || length > modelTokenBytesMax) return refuse("model_invalid", detail);
  const text = stringOf(bytes, start, end);
  if (!text.isWellFormed()) return refuse("body_lone_surrogate", detail);
  const prefix = options.dialect === "gemini" && text.startsWith("models/") ? "models/" : "";
  const name = text.slice(prefix.length);
  // What the path overrides may be any text: Azure's clients write there what they like.
  const isFree = options.modelRule === "overridden" && place === "model";
  if (!isFree && !isModelName(name)) return refuse("model_invalid", detail);
  // The mark that Envoy leaves where it replaced a byte: nobody knows what the caller's name was.
  if (options.isText === true && name.includes("!")) return refuse("model_invalid", detail);
  return { name, offset: start, length, place, form: "json", prefix };
}

/** A name of the caller's own is repeated only when it is harmless wherever it ends up. */
export function isHarmlessName(name: string): boolean {
  return /^[A-Za-z0-9_.$-]{1,64}$/.test(name);
}
