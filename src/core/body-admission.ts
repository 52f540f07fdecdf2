// Whether the body that arrived is whole, readable and of a kind that every parser reads alike: everything that can
// be said of it before its JSON is looked at.

import type { DenyDetail, DenyReason, Dialect } from "./decision.ts";
import type { DecisionSettings } from "./decision-settings.ts";
import type { AuthzRequest } from "./request.ts";

export type BodyAdmission =
  | {
      readonly ok: true;
      readonly bytes: Uint8Array;
      /** Sent on as application/json: it came without a type, or with curl's form type that Ollama takes for JSON. */
      readonly setContentType: boolean;
    }
  | { readonly ok: false; readonly reason: DenyReason; readonly detail: DenyDetail };

/** Envoy's own flag on a body it cut (envoy-facts 0.9). A caller's copy never reaches the CheckRequest. */
const partialBodyHeader = "x-envoy-auth-partial-body";

/** Admits the body of an operation that needs one. */
export function admitBody(
  request: AuthzRequest,
  dialect: Dialect,
  settings: DecisionSettings,
): BodyAdmission {
  const { headers } = request;
  const media = mediaTypeOf(headers.get("content-type") ?? "", dialect);
  if (media === "unsupported") return refuse("media_type_unsupported");
  const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "";
  if (encoding !== "" && encoding !== "identity") return refuse("encoding_unsupported");
  if (headers.get(partialBodyHeader)?.toLowerCase() === "true") return refuse("body_truncated");

  const { body } = request;
  const contentLength = lengthOf(headers.get("content-length"));
  if (contentLength === "unreadable") return refuse("body_length_mismatch");
  if (contentLength !== undefined && contentLength > settings.bodyBytesMax) {
    return refuse("body_too_large");
  }
  if (body.kind === "none") return refuse("body_missing");
  if (body.kind === "text" && !settings.acceptTextBody) return refuse("body_not_raw");
  const bytes = body.kind === "bytes" ? body.bytes : Buffer.from(body.text, "utf8");
  if (body.declaredBytes !== undefined && body.declaredBytes !== bytes.length) {
    return refuse(bytes.length > settings.bodyBytesMax ? "body_too_large" : "body_truncated");
  }
  if (bytes.length > settings.bodyBytesMax) return refuse("body_too_large");
  if (bytes.length === 0) return refuse("body_missing");
  if (contentLength !== undefined && contentLength !== bytes.length) {
    return refuse(contentLength > bytes.length ? "body_truncated" : "body_length_mismatch");
  }
  return { ok: true, bytes, setContentType: media === "set" };
}

function refuse(reason: DenyReason): BodyAdmission {
  return { ok: false, reason, detail: {} };
}

/** `set`: admitted, but the backend must be told that it is JSON. */
function mediaTypeOf(contentType: string, dialect: Dialect): "json" | "set" | "unsupported" {
  const [type = "", ...parameters] = contentType.split(";").map((part) => part.trim());
  if (type === "" && parameters.length === 0) return "set";
  if (!parameters.every(isUtf8Charset)) return "unsupported";
  const name = type.toLowerCase();
  if (name === "application/json") return "json";
  return dialect === "ollama" && name === "application/x-www-form-urlencoded"
    ? "set"
    : "unsupported";
}

/** `charset=utf-8` in any spelling, or nothing (a trailing ";" is honest). */
function isUtf8Charset(parameter: string): boolean {
  return parameter === "" || /^charset *= *("utf-?8"|utf-?8)$/i.test(parameter);
}

function lengthOf(contentLength: string | undefined): number | undefined | "unreadable" {
  if (contentLength === undefined) return undefined;
  return /^[0-9]{1,15}$/.test(contentLength) ? Number(contentLength) : "unreadable";
}
