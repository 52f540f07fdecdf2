// A multipart/form-data body (RFC 7578) -> the requested model, every other model it names, and the fields that it may
// not have. Only forms that every parser reads alike are read (multipart-parts.ts); parts are judged by name like the
// keys of a JSON body (multipart-fields.ts).

import { isUtf8 } from "node:buffer";
import type { Dialect } from "../../denials.ts";
import type { BodyModelRule } from "../../http/operations.ts";
import type { JsonScanner } from "../../json/scan.ts";
import { isModelName } from "../../permission/model-name.ts";
import { modelNameBytesMax } from "../../request.ts";
import type { BodyReading, ModelToken } from "../reading.ts";
import { FormFields, isPlainText, type Refusal, refuse } from "./fields.ts";
import { type FormPart, splitParts } from "./parts.ts";

export type MultipartOptions = {
  /** As `multipartBoundary` read it. */
  readonly boundary: string;
  readonly dialect: Dialect;
  readonly modelRule: BodyModelRule;
  readonly scanner: JsonScanner;
};

/** Longest model that the path overrides: as long as a JSON body's, of which each character may be escaped. */
const overriddenBytesMax = modelNameBytesMax * 6;

/**
 * Never throws. Looks at each byte a bounded number of times, never decodes a file, and keeps nothing but a few words for
 * each part. The name of a model is what stands in its part, without quotes: its token is of the form `bare`.
 */
export function readMultipartBody(bytes: Uint8Array, options: MultipartOptions): BodyReading {
  const split = splitParts(bytes, options.boundary);
  if (!split.ok) return refuse("body_not_multipart", { offset: split.offset });
  const fields = new FormFields(bytes, options);
  let model: ModelToken | undefined;
  for (const part of split.parts) {
    if (part.name !== "model") {
      const refusal = fields.add(part);
      if (refusal !== undefined) return refusal;
      continue;
    }
    if (model !== undefined) {
      return refuse("body_duplicate_key", { name: "model", offset: part.start });
    }
    const token = readModel(bytes, part, options.modelRule);
    if ("reason" in token) return token;
    model = token;
  }
  if (model === undefined && options.modelRule === "required") return refuse("model_missing", {});
  const { sameModels, nestedModels, found, names, toolTypes } = fields;
  return { ok: true, model, sameModels, nestedModels, fields: found, names, toolTypes };
}

/** A part that some parser takes for a file, or decodes by a charset of its own, is no model. */
function readModel(bytes: Uint8Array, part: FormPart, rule: BodyModelRule): ModelToken | Refusal {
  const { start, end, partLength } = part;
  const length = end - start;
  const refusal = refuse("model_invalid", { name: "model", offset: start });
  const lengthMax = rule === "overridden" ? overriddenBytesMax : modelNameBytesMax;
  if (!isPlainText(part) || length === 0 || length > lengthMax) return refusal;
  const value = bytes.subarray(start, end);
  if (!isUtf8(value)) return refusal;
  const name = Buffer.from(value).toString("utf8");
  if (rule !== "overridden" && !isModelName(name)) return refusal;
  const token = { name, offset: start, length, place: "model", form: "bare", prefix: "" } as const;
  return partLength === undefined ? token : { ...token, partLength };
}
