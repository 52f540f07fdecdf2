// What both of Envoy's protocols are told of a decision beside the answer: the dynamic metadata, and the test that a header
// must pass before it is sent. A metadata value without a kind takes Envoy down.

import type { Decision } from "../core/decision.ts";
import type { WireStruct, WireValue } from "./wire.ts";

/** Most characters of a caller's own name in the metadata. */
const metadataTextMax = 256;

/** The same fields in both namespaces; `more` is what only one of them has. */
export function decisionMetadata(
  decision: Decision,
  more?: Readonly<Record<string, WireValue>>,
): WireStruct {
  const { kind, operation, dialect, key, team, requestedModel, revision } = decision;
  const fields: Record<string, WireValue> = { decision: text(kind), dialect: text(dialect) };
  if (operation !== undefined) fields["operation"] = text(operation);
  if (key !== undefined) fields["key"] = text(key);
  if (team !== undefined) fields["team"] = text(team);
  if (requestedModel !== undefined) {
    fields["requested_model"] = text(requestedModel.slice(0, metadataTextMax));
  }
  if (revision !== undefined) fields["revision"] = text(revision);
  if (decision.kind === "allow") {
    fields["model"] = text(decision.model);
    fields["upstream_model"] = text(decision.upstreamModel);
  } else if (decision.kind === "deny") fields["reason"] = text(decision.reason);
  return { fields: more === undefined ? fields : Object.assign(fields, more) };
}

/** Half a surrogate pair would encode to bytes that Envoy cannot parse, and a failed call can fail open. */
export function text(value: string): WireValue {
  return { stringValue: value.toWellFormed() };
}

export function struct(fields: Readonly<Record<string, WireValue>>): WireValue {
  return { structValue: { fields } };
}

/** The value as it is. Throws when it could split a response or a request; the caller makes that an `internal` refusal. */
export function sendable(key: string, value: string): string {
  if (/[\r\n\0]/.test(value) || !value.isWellFormed()) {
    throw new Error(`header ${key} holds a character that may not be sent`);
  }
  return value;
}
