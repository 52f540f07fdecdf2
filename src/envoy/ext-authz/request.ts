// CheckRequest -> AuthzRequest. Both wire forms of headers and of bodies give the same request; what contradicts itself
// is unreadable and refused.

import type { AuthzRequest, RequestBody } from "../../core/request.ts";
import { firstField, latin1 } from "../grpc/message-prefix.ts";
import { joinList, joinMap } from "../header-values.ts";
import { readHttp, type WireHttp } from "../wire/check-request.ts";

/**
 * "unreadable": no HTTP request in it (a TCP chain), or two statements of one thing that differ. Throws on bytes that are not
 * the message.
 */
export function readCheckRequest(bytes: Buffer): AuthzRequest | "unreadable" {
  const http = readHttp(bytes);
  if (http === undefined) return "unreadable";
  const headers = readHeaders(http);
  const body = readBody(http);
  if (headers === "unreadable" || body === "unreadable") return "unreadable";
  const { method, path } = http;
  for (const [name, value] of headers) {
    if (!name.startsWith(":")) continue;
    if (name === ":path" && value !== path) return "unreadable";
    if (name === ":method" && value !== method) return "unreadable";
    headers.delete(name);
  }
  return { method, path, headers, body };
}

function readHeaders({ headers, list }: WireHttp): Map<string, string> | "unreadable" {
  if (list === undefined || list.names.length === 0) return joinMap(headers);
  return headers.size > 0 ? "unreadable" : joinList(list);
}

function readBody({ body, rawBody, size }: WireHttp): RequestBody | "unreadable" {
  const declaredBytes = size === 0 ? undefined : size;
  const isRaw = rawBody !== undefined && rawBody.length > 0;
  if (isRaw && body !== "") return "unreadable";
  if (isRaw) return { kind: "bytes", bytes: rawBody, declaredBytes };
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
