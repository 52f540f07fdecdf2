// What both of Envoy's protocols are told of a decision beside the answer: the dynamic metadata, and the test that a header
// must pass before it is sent. A metadata value without a kind takes Envoy down.

import type { Decision } from "../core/decision.ts";
import type { WireStruct, WireValue } from "./wire.ts";

/** Most characters of a caller's own name in the metadata. */
const metadataTextMax = 256;

/** The same fields in both namespaces; `more` is what only one of them has. */
export function decisionMetadata(
  decision: Decision,
  more: Readonly<Record<string, WireValue>> = {},
): WireStruct {
  const { kind, operation, dialect, key, team, requestedModel, revision } = decision;
  return {
    fields: {
      decision: text(kind),
      dialect: text(dialect),
      ...(operation === undefined ? {} : { operation: text(operation) }),
      ...(key === undefined ? {} : { key: text(key) }),
      ...(team === undefined ? {} : { team: text(team) }),
      ...(requestedModel === undefined
        ? {}
        : { requested_model: text(requestedModel.slice(0, metadataTextMax)) }),
      ...(revision === undefined ? {} : { revision: text(revision) }),
      ...kindFields(decision),
      ...more,
    },
  };
}

function kindFields(decision: Decision): Readonly<Record<string, WireValue>> {
  switch (decision.kind) {
    case "allow":
      return { model: text(decision.model), upstream_model: text(decision.upstreamModel) };
    case "deny":
      return { reason: text(decision.reason) };
    case "answer":
    case "pass":
      return {};
    default:
      return decision satisfies never;
  }
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
