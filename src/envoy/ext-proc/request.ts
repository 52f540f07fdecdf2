// ProcessingRequest -> AuthzRequest, the same as a CheckRequest of the same HTTP request gives.

import type { AuthzRequest, RequestBody } from "../../core/request.ts";
import { fields, firstField, latin1 } from "../grpc/message-prefix.ts";
import { type HeaderList, joinList } from "../header-values.ts";
import type { WireBody, WireHeaders } from "../wire/process-request.ts";

/** What is known of a request before its body is there. */
export type RequestHead = Omit<AuthzRequest, "body">;

/** In a CheckRequest it is Envoy's own word; here it could only be the caller's, which Envoy hides from ext_authz. */
const partialBodyHeader = "x-envoy-auth-partial-body";

/** "unreadable": not exactly one method and one path. */
export function readProcessHeaders({ list }: WireHeaders): RequestHead | "unreadable" {
  const method = onlyValue(list, ":method");
  const path = onlyValue(list, ":path");
  if (method === undefined || path === undefined) return "unreadable";
  const headers = joinList(list);
  for (const name of headers.keys()) if (name.startsWith(":")) headers.delete(name);
  headers.delete(partialBodyHeader);
  return { method, path, headers };
}

/** undefined: it is not there, or more than once. */
function onlyValue({ names, values }: HeaderList, name: string): string | undefined {
  let found: string | undefined;
  for (let at = 0; at < names.length; at += 1) {
    const each = names[at] ?? "";
    if (each !== name && each.toLowerCase() !== name) continue;
    if (found !== undefined) return undefined;
    found = values[at] ?? "";
  }
  return found;
}

/** The whole body: whether trailers follow it does not matter. */
export function readProcessBody({ bytes }: WireBody): RequestBody {
  return bytes.length === 0 ? { kind: "none" } : { kind: "bytes", bytes, declaredBytes: undefined };
}

/** The path in the first bytes of a ProcessingRequest with headers, as `pathInPrefix` for a CheckRequest. */
export function pathInProcessPrefix(bytes: Uint8Array): string | undefined {
  const list = fieldOf(fieldOf(bytes, 2), 1);
  if (list === undefined) return undefined;
  for (const header of fields(list, 1)) {
    const key = firstField(header, 1);
    if (key === undefined || latin1(key) !== ":path") continue;
    const value = firstField(header, 3) ?? firstField(header, 2);
    return value && latin1(value);
  }
  return undefined;
}

function fieldOf(bytes: Uint8Array | undefined, number: number): Uint8Array | undefined {
  return bytes && firstField(bytes, number);
}
