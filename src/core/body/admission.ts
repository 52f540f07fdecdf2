// Whether the body that arrived is whole, readable and of a kind that every parser reads alike: everything that can
// be said of it before it is parsed.

import type { DecisionSettings } from "../decision-settings.ts";
import type { DenyDetail, DenyReason, Dialect } from "../denials.ts";
import type { BodyKind, Operation } from "../http/operations.ts";
import type { AuthzRequest } from "../request.ts";
import { multipartBoundary } from "./form-boundary.ts";

type Refusal = { readonly ok: false; readonly reason: DenyReason; readonly detail: DenyDetail };

/** How the body is to be read. */
export type BodyMedia =
  | {
      readonly kind: "json";
      /** Sent on as application/json: it came without a type, or with curl's form type that Ollama takes for JSON. */
      readonly setContentType: boolean;
    }
  | { readonly kind: "form"; readonly boundary: string };

export type HeaderAdmission =
  | {
      readonly ok: true;
      readonly media: BodyMedia;
      /** As the sender stated it; undefined for a body of unstated length. */
      readonly contentLength: number | undefined;
    }
  | Refusal;

export type BodyAdmission = { readonly ok: true; readonly bytes: Uint8Array } | Refusal;

/** Envoy's own flag on a body it cut (envoy-facts 0.9). A caller's copy never reaches the CheckRequest. */
const partialBodyHeader = "x-envoy-auth-partial-body";

/**
 * What the shipped configurations note before Envoy's decompressor, which takes content-encoding and content-length away.
 * Envoy removes it from callers' requests; one that got through would gain nothing by it.
 */
const receivedEncodingHeader = "x-aliasguard-received-encoding";

/** What the headers alone say of the body of an operation that needs one. */
export function admitBodyHeaders(
  { headers }: AuthzRequest,
  { dialect, body }: Operation,
  settings: DecisionSettings,
): HeaderAdmission {
  const media = mediaOf(headers.get("content-type") ?? "", dialect, body);
  if (media === undefined) return refuse("media_type_unsupported");
  const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "";
  if (encoding !== "" && encoding !== "identity") return refuse("encoding_unsupported");
  if (headers.get(partialBodyHeader)?.toLowerCase() === "true") return refuse("body_truncated");
  const contentLength = lengthOf(headers.get("content-length"));
  if (contentLength === "unreadable") return refuse("body_length_mismatch");
  if (contentLength !== undefined && contentLength > settings.bodyBytesMax) {
    return refuse("body_too_large");
  }
  return { ok: true, media, contentLength };
}

/** Whether the body arrived whole and as it was sent. */
export function admitBodyBytes(
  { body, headers }: AuthzRequest,
  contentLength: number | undefined,
  settings: DecisionSettings,
): BodyAdmission {
  if (body.kind === "none") return refuse("body_missing");
  if (body.kind === "text" && !settings.acceptTextBody) return refuse("body_not_raw");
  const bytes = body.kind === "bytes" ? body.bytes : Buffer.from(body.text, "utf8");
  if (bytes.length > settings.bodyBytesMax) return refuse("body_too_large");
  const isUnpacked = contentLength === undefined && headers.has(receivedEncodingHeader);
  if (isCut(bytes.length, body.declaredBytes, isUnpacked)) return refuse("body_truncated");
  if (bytes.length === 0) return refuse("body_missing");
  if (contentLength !== undefined && contentLength !== bytes.length) {
    return refuse(contentLength > bytes.length ? "body_truncated" : "body_length_mismatch");
  }
  return { ok: true, bytes };
}

/**
 * Envoy counts what it received: a body that it has decompressed may be longer than that, and shorter by no more than the
 * frame that a compressor puts around what does not compress (a short chat of 66 bytes is 85 in gzip).
 */
function isCut(length: number, declared: number | undefined, isUnpacked: boolean): boolean {
  if (declared === undefined) return false;
  return isUnpacked ? declared > length + frameBytesMax + length / 256 : declared !== length;
}

/** More than the header and trailer of gzip and zstd; their blocks add less than a 256th. */
const frameBytesMax = 64;

function refuse(reason: DenyReason): Refusal {
  return { ok: false, reason, detail: {} };
}

/** undefined: a type that this operation does not take. */
function mediaOf(contentType: string, dialect: Dialect, body: BodyKind): BodyMedia | undefined {
  const [type = "", ...parameters] = contentType.split(";").map((part) => part.trim());
  const name = type.toLowerCase();
  if (body === "form" && name === "multipart/form-data") {
    const boundary = multipartBoundary(contentType);
    return boundary === undefined ? undefined : { kind: "form", boundary };
  }
  if (name === "" && parameters.length === 0) return { kind: "json", setContentType: true };
  if (!parameters.every(isUtf8Charset)) return undefined;
  if (name === "application/json") return { kind: "json", setContentType: false };
  return dialect === "ollama" && name === "application/x-www-form-urlencoded"
    ? { kind: "json", setContentType: true }
    : undefined;
}

/** `charset=utf-8` in any spelling, or nothing (a trailing ";" is honest). */
function isUtf8Charset(parameter: string): boolean {
  return parameter === "" || /^charset *= *("utf-?8"|utf-?8)$/i.test(parameter);
}

function lengthOf(contentLength: string | undefined): number | undefined | "unreadable" {
  if (contentLength === undefined) return undefined;
  return /^[0-9]{1,15}$/.test(contentLength) ? Number(contentLength) : "unreadable";
}
