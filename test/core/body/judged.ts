// What a body is answered once it is known what serves the model: the reading and the judgement of its fields together.

import { refusedField } from "../../../src/core/body/field-judgement.ts";
import type { BodyReading } from "../../../src/core/body/reading.ts";
import { model } from "../snapshot-builder.ts";

export type Judged = {
  readonly bodyFields?: readonly string[];
  readonly refusedFields?: readonly string[];
  /** Default `router`. */
  readonly backend?: "leaf" | "router";
};

export function judged(reading: BodyReading, options: Judged = {}): BodyReading {
  if (!reading.ok) return reading;
  const { bodyFields = [], refusedFields = [], backend = "router" } = options;
  const settings = { bodyFields: new Set(bodyFields), refusedFields: new Set(refusedFields) };
  const detail = refusedField(reading, settings, new Set([model("m", { backend })]));
  return detail === undefined ? reading : { ok: false, reason: "field_not_allowed", detail };
}

/** `ok`, or the reason and the field that was refused. */
export function answerOf(reading: BodyReading, options?: Judged): string {
  const answer = judged(reading, options);
  return answer.ok ? "ok" : `${answer.reason} ${answer.detail.name ?? ""}`.trim();
}
