// The closed list of refusals: what each looks like to the caller. Response, log line, metric and the reference in docs
// are all made from here, so that they cannot disagree.

/** The API whose envelopes and lists the caller understands. */
export const dialects = ["openai", "anthropic", "gemini", "azure", "ollama"] as const;
export type Dialect = (typeof dialects)[number];

/** A stranger learns nothing about keys, and a caller nothing about models that it may not use. */
const keyInvalid = { status: 401, code: "key_invalid", message: "The virtual key is not valid." };
const modelForbidden = {
  status: 403,
  code: "model_forbidden",
  message: "The virtual key may not use this model.",
} as const;

/**
 * What each refusal looks like to the caller, one row per reason. `reason` (the property) goes to logs and metrics;
 * `code` is what the caller sees, and coarser where a finer word would tell a stranger something about keys or models.
 */
export const denials = {
  route_not_allowed: {
    status: 404,
    code: "route_not_allowed",
    message: "This gateway does not serve this path.",
  },
  method_not_allowed: {
    status: 405,
    code: "method_not_allowed",
    message: "This path does not take this method.",
  },
  upgrade_not_allowed: {
    status: 400,
    code: "upgrade_not_allowed",
    message: "This path does not take an upgrade.",
  },
  header_not_allowed: {
    status: 400,
    code: "header_not_allowed",
    message: "A request header is not allowed here.",
  },
  query_not_allowed: {
    status: 400,
    code: "query_not_allowed",
    message: "A query parameter is not allowed here.",
  },
  key_missing: { status: 401, code: "key_missing", message: "No virtual key was sent." },
  key_malformed: keyInvalid,
  key_unknown: keyInvalid,
  key_disabled: keyInvalid,
  key_expired: keyInvalid,
  key_previous_expired: keyInvalid,
  key_not_yet_valid: keyInvalid,
  key_team_missing: keyInvalid,
  key_team_disabled: keyInvalid,
  key_ambiguous: {
    status: 400,
    code: "key_ambiguous",
    message: "More than one virtual key was sent.",
  },
  media_type_unsupported: {
    status: 415,
    code: "media_type_unsupported",
    message: "The content type must be application/json with charset utf-8 or none.",
  },
  encoding_unsupported: {
    status: 415,
    code: "encoding_unsupported",
    message: "The request body must not be compressed.",
  },
  body_too_large: {
    status: 413,
    code: "request_too_large",
    message: "The request body is larger than this gateway accepts.",
  },
  body_truncated: {
    status: 413,
    code: "request_too_large",
    message: "The request body did not arrive whole.",
  },
  body_missing: { status: 400, code: "body_missing", message: "This path needs a request body." },
  body_length_mismatch: {
    status: 400,
    code: "body_invalid",
    message: "The request body is longer than its content-length.",
  },
  body_not_raw: {
    status: 500,
    code: "body_not_raw",
    message:
      "The gateway sent the request body as text; set pack_as_bytes in Envoy's with_request_body.",
  },
  body_not_buffered: {
    status: 500,
    code: "body_not_buffered",
    message:
      "The gateway did not wait for the request body; set request_header_mode SEND and request_body_mode BUFFERED in Envoy's ext_proc.",
  },
  body_not_utf8: {
    status: 400,
    code: "body_invalid",
    message: "The request body is not UTF-8 without a byte order mark.",
  },
  body_not_json: {
    status: 400,
    code: "body_invalid",
    message: "The request body is not strict JSON (RFC 8259).",
  },
  body_not_multipart: {
    status: 400,
    code: "body_invalid",
    message: "The request body is not strict multipart/form-data (RFC 7578).",
  },
  body_not_object: {
    status: 400,
    code: "body_invalid",
    message: "The request body must be one JSON object.",
  },
  body_duplicate_key: {
    status: 400,
    code: "body_invalid",
    message: "A key stands twice in one object of the request body.",
  },
  body_key_not_allowed: {
    status: 400,
    code: "body_invalid",
    message:
      "A top-level key of the request body is escaped, not ASCII, or a misspelling of a field that names a model.",
  },
  body_lone_surrogate: {
    status: 400,
    code: "body_invalid",
    message: "A key or model name in the request body holds half a surrogate pair.",
  },
  body_too_deep: {
    status: 400,
    code: "body_invalid",
    message: "The request body is nested more than 64 levels deep.",
  },
  body_too_many_keys: {
    status: 400,
    code: "body_invalid",
    message: "An object of the request body has more than 10,000 keys.",
  },
  body_number_too_long: {
    status: 400,
    code: "body_invalid",
    message: "A number in the request body has more than 512 characters.",
  },
  model_missing: { status: 400, code: "model_missing", message: "The request names no model." },
  model_invalid: {
    status: 400,
    code: "model_invalid",
    message: "The model must be a string of 1 to 256 characters that a model name may have.",
  },
  model_conflict: {
    status: 400,
    code: "model_conflict",
    message: "The request names different models in different places.",
  },
  field_not_allowed: {
    status: 400,
    code: "field_not_allowed",
    message: "A field of the request body is not allowed here.",
  },
  model_unknown: modelForbidden,
  model_not_granted: modelForbidden,
  model_denied: modelForbidden,
  alias_unusable: modelForbidden,
  fallback_unknown: modelForbidden,
  // For the caller like any model that it may not use: nothing that it can do will help.
  policy_too_complex: modelForbidden,
  upstream_credential_missing: {
    status: 503,
    code: "upstream_credential_missing",
    message: "The gateway has no credential for the backend of this model.",
  },
  request_unreadable: {
    status: 400,
    code: "request_unreadable",
    message: "The request could not be read.",
  },
  policy_missing: { status: 503, code: "policy_missing", message: "No policy is loaded yet." },
  overloaded: { status: 503, code: "overloaded", message: "The gateway is overloaded." },
  internal: {
    status: 500,
    code: "internal",
    message: "The gateway failed to decide on this request.",
  },
} as const satisfies Record<string, Denial>;

export type Denial = { readonly status: number; readonly code: string; readonly message: string };
export type DenyReason = keyof typeof denials;

/** Where the refused thing stands. Each is either from a closed list of ours or checked to be printable ASCII. */
export type DenyDetail = {
  /** A JSON field, a header or a query parameter, by name. */
  readonly name?: string;
  /** Byte offset in the body. */
  readonly offset?: number;
  /** What of the operator's admits the field, or refuses it. */
  readonly setting?: keyof typeof fieldSettings;
  /** The path that nobody serves, without its query and without what looks like a key. */
  readonly path?: string;
  /** Methods that the path takes. */
  readonly allow?: readonly string[];
};

/** Where an operator says otherwise, as the caller reads it. */
const fieldSettings = {
  bodyFields: "an operator admits it by --body-fields or Model.spec.bodyFields",
  refusedFields: "refused by --refused-fields or Model.spec.refusedFields",
} as const;

/** The sentence that the caller reads: the reason's own, and where the thing stands. */
export function denialMessage(reason: DenyReason, detail: DenyDetail): string {
  const parts: string[] = [];
  if (detail.name !== undefined) parts.push(`name: ${detail.name}`);
  if (detail.path !== undefined) parts.push(`path: ${detail.path}`);
  if (detail.offset !== undefined) parts.push(`at byte ${detail.offset}`);
  const { message } = denials[reason];
  const text = parts.length === 0 ? message : `${message.slice(0, -1)} (${parts.join(", ")}).`;
  return detail.setting === undefined
    ? text
    : `${text.slice(0, -1)}: ${fieldSettings[detail.setting]}.`;
}
