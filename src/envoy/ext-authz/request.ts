// CheckRequest -> AuthzRequest. Both wire forms of headers and of bodies give the same request; what contradicts itself
// is unreadable and refused.

import type { AuthzRequest, RequestBody } from "../../core/request.ts";
import { firstField, latin1 } from "../grpc/message-prefix.ts";
import { joinHeaders } from "../header-values.ts";
import type { WireCheckRequest, WireHttpRequest } from "../wire.ts";

/** "unreadable": no HTTP request in it (a TCP chain), or two statements of one thing that differ. */
export function readCheckRequest(check: WireCheckRequest): AuthzRequest | "unreadable" {
  const http = check.attributes?.request?.http;
  if (http === undefined) return "unreadable";
  const all = readHeaders(http);
  const body = readBody(http);
  if (all === "unreadable" || body === "unreadable") return "unreadable";
  const { method = "", path = "" } = http;
  const headers = new Map<string, string>();
  for (const [name, value] of all) {
    if (name === ":path" && value !== path) return "unreadable";
    if (name === ":method" && value !== method) return "unreadable";
    if (!name.startsWith(":")) headers.set(name, value);
  }
  return { method, path, headers, body };
}

function readHeaders(http: WireHttpRequest): ReadonlyMap<string, string> | "unreadable" {
  const plain = Object.entries(http.headers ?? {});
  const raw = http.header_map?.headers ?? [];
  if (plain.length > 0 && raw.length > 0) return "unreadable";
  return raw.length > 0
    ? joinHeaders(raw)
    : joinHeaders(plain.map(([key, value]) => ({ key, value })));
}

function readBody({ body = "", raw_body, size }: WireHttpRequest): RequestBody | "unreadable" {
  const declaredBytes = size === undefined || size === 0 ? undefined : size;
  const isRaw = raw_body !== undefined && raw_body.length > 0;
  if (isRaw && body !== "") return "unreadable";
  if (isRaw) return { kind: "bytes", bytes: raw_body, declaredBytes };
  if (body !== "") return { kind: "text", text: body, declaredBytes };
  return { kind: "none" };
}

/** Field numbers from CheckRequest to the path: attributes, request, http, path. */
const pathFields = [1, 4, 2, 4] as const;

/**
 * The path in the first bytes of a CheckRequest: Envoy writes it before the body. Only for the manner of a refusal. Undefined
 * when it has not come yet or the bytes are no message.
 */
export function pathInPrefix(bytes: Uint8Array): string | undefined {
  let found: Uint8Array | undefined = bytes;
  for (const field of pathFields) found = found && firstField(found, field);
  return found && latin1(found);
}
