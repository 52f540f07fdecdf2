// What docs/reference says of the code's words that carry no text of their own. Each list is typed by the code's: a new
// word without a line here does not compile.

import type { DenyReason } from "../../src/core/denials.ts";
import type { identityHeaders } from "../../src/core/http/header-table.ts";
import type { decisionLogFields, responseLogFields } from "../../src/telemetry/decision-log.ts";

const wrongKey =
  "Compare the key with the VirtualKey that it should be; `aliasguard check` names it.";
const editBody =
  "The caller has to send another body; `aliasguard check --body FILE` shows what stands where.";
const grants =
  "`aliasguard check` and the log's `refusedModel` and `refusedBy` say whose grant lacks which model.";

/** What an operator does about each refusal, beside telling the caller. */
export const remedies: Readonly<Record<DenyReason, string>> = {
  route_not_allowed:
    "Not a served path, see [paths](paths.md). Another prefix: `--path-prefixes`. A path without a model: `--unchecked-routes`.",
  method_not_allowed: "The path is served, with another method: see [paths](paths.md).",
  upgrade_not_allowed: "Websockets go to realtime paths only, with `--realtime`.",
  header_not_allowed: "The caller sends a header that [headers](headers.md) says is refused.",
  query_not_allowed: "A parameter that the path does not take: `--query-parameters` allows more.",
  key_missing: "The caller sends no key in any [carrier](headers.md#carriers-of-the-key).",
  key_malformed:
    "What stands in the carrier is no key: 20 to 512 printable characters, after `Bearer` in `authorization`.",
  key_unknown: `No VirtualKey has this digest. ${wrongKey}`,
  key_disabled: "The VirtualKey has `disabled: true`.",
  key_expired: "`expiresAt` is past.",
  key_previous_expired:
    "The caller still sends the secret from before a rotation, and `previous.until` is past.",
  key_team_disabled: "The key's Team has `disabled: true`.",
  key_not_yet_valid: "`notBefore` is still to come.",
  key_team_missing: "The VirtualKey names a Team that is not there.",
  key_ambiguous:
    "Two carriers hold different keys, or one holds several: the client sets a key of its own beside yours.",
  media_type_unsupported:
    "The client must send `application/json`, or a form where the path takes one.",
  encoding_unsupported:
    "The client must not compress its body, or Envoy must decompress it before the check.",
  body_too_large:
    "`--body-bytes-max` is the limit; Envoy's move with it, see [envoy.md](../envoy.md#limits).",
  body_truncated:
    "Envoy cut the body: `allow_partial_message` must be false, and its limits above the authorizer's.",
  body_missing: "The client sends no body.",
  body_length_mismatch: "A proxy before Envoy changed the body and not its length.",
  body_not_raw:
    "Set `pack_as_bytes: true`, or use ext_proc. Where neither can be set: `--accept-text-body`.",
  body_not_buffered:
    "Set `request_header_mode: SEND` and `request_body_mode: BUFFERED` in Envoy's ext_proc filter.",
  body_not_utf8: editBody,
  body_not_json: editBody,
  body_not_multipart: editBody,
  body_not_object: editBody,
  body_duplicate_key: editBody,
  body_key_not_allowed: editBody,
  body_lone_surrogate: editBody,
  body_too_deep: editBody,
  body_too_many_keys: editBody,
  body_number_too_long: editBody,
  model_missing: "The client names no model, where [paths](paths.md) says it must stand.",
  model_invalid: "What the client names can be no model name.",
  model_conflict:
    "Path and body name different models: the client's base URL or deployment is wrong.",
  field_not_allowed:
    "[Body fields](body-fields.md) says why. `--body-fields` lets it through; for some a Model with `backend: leaf` does.",
  model_unknown: "The catalogue is closed and lacks this model: add a Model, or correct the name.",
  model_not_granted: grants,
  model_denied:
    "`grants.deny` of the key or its team matches the name, an alias on the way or a model.",
  alias_unusable:
    "The alias leads to nothing, to itself or too far: its status and `aliasguard lint` say where.",
  fallback_unknown:
    "The catalogue is closed, and a fallback of the model is no Model: add it, or take it off `fallbacks`.",
  policy_too_complex:
    "Names times patterns are beyond the [steps of one decision](limits.md): the advice `too_much_work` names the object.",
  upstream_credential_missing:
    "The file or Secret entry that the Model names is not there or empty; a start logs it.",
  request_unreadable: "Envoy sent what is no request; its version or a filter before the check.",
  policy_missing: "No policy has been loaded since the start: see `/readyz` and the log.",
  overloaded:
    "More checks than there is room for: more replicas, or `--in-flight-bytes-max` with more memory.",
  internal: "A bug: the log has its stack. Please report it.",
};

export const identityHeaderMeanings: Readonly<Record<keyof typeof identityHeaders, string>> = {
  key: "Name of the VirtualKey.",
  team: "Name of its Team; without one the header is removed.",
  requestedModel: "The model as the caller named it.",
  unchecked: "On an unchecked route only: its method and path, as the setting has them.",
};

type LogField = (typeof decisionLogFields)[number] | (typeof responseLogFields)[number];

export const logFieldMeanings: Readonly<Record<LogField, string>> = {
  requestId: "`x-request-id` as Envoy set it: Envoy's access log has the same.",
  traceId: "Trace id of `traceparent`.",
  decision: "`allow`, `answer` (a list of models), `pass` (an unchecked route) or `deny`.",
  reason: "Of a refusal: see [refusals](refusals.md).",
  status: "HTTP status that the caller gets from the authorizer.",
  operation: "What was asked for, such as `chat.completions`.",
  dialect: "Whose API it is: `openai`, `anthropic`, `gemini`, `azure`, `ollama`.",
  key: "Name of the VirtualKey.",
  keyId:
    "The public part of a key that is unknown or malformed, as `kubectl get virtualkeys` shows it.",
  team: "Name of its Team.",
  requestedModel: "The model as the caller named it.",
  model: "The model that was authorized, by its canonical name.",
  hops: "Aliases on the way, the requested name first.",
  refusedModel: "The model that was refused: the requested one, or one that it can lead to.",
  refusedBy: "`key` or `team`: whose grant did not allow it.",
  revision: "Of the policy that decided.",
  bodyBytes: "Bytes of the request body.",
  durationUs: "Microseconds from the bytes of the check to the bytes of its answer.",
  servedModels: "Models that the backend named in its response.",
};
