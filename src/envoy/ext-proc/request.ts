// ProcessingRequest -> AuthzRequest, the same as a CheckRequest of the same HTTP request gives.

import type { AuthzRequest, RequestBody } from "../../core/request.ts";
import { fields, firstField, latin1 } from "../grpc/message-prefix.ts";
import { joinHeaders } from "../header-values.ts";
import type { WireBody, WireHeaders, WireProcessingRequest } from "./wire.ts";

/** What is known of a request before its body is there. */
export type RequestHead = Omit<AuthzRequest, "body">;

/** In a CheckRequest it is Envoy's own word; here it could only be the caller's, which Envoy hides from ext_authz. */
const partialBodyHeader = "x-envoy-auth-partial-body";

/** "unreadable": not exactly one method and one path. */
export function readProcessHeaders({ headers: map }: WireHeaders): RequestHead | "unreadable" {
  const list = map?.headers ?? [];
  const headers = new Map<string, string>();
  for (const [name, value] of joinHeaders(list)) {
    if (!name.startsWith(":") && name !== partialBodyHeader) headers.set(name, value);
  }
  const [method, ...otherMethods] = valuesOf(list, ":method");
  const [path, ...otherPaths] = valuesOf(list, ":path");
  if (method === undefined || path === undefined) return "unreadable";
  if (otherMethods.length > 0 || otherPaths.length > 0) return "unreadable";
  return { method, path, headers };
}

function valuesOf(
  list: NonNullable<NonNullable<WireHeaders["headers"]>["headers"]>,
  name: string,
): readonly string[] {
  const copies = list.filter(({ key = "" }) => key.toLowerCase() === name);
  return copies.map((copy) => joinHeaders([copy]).get(name) ?? "");
}

/** The whole body: whether trailers follow it does not matter. */
export function readProcessBody({ body }: WireBody): RequestBody {
  if (body === undefined || body.length === 0) return { kind: "none" };
  return { kind: "bytes", bytes: body, declaredBytes: undefined };
}

/** Which of the messages it is; "unreadable" when it is none or several. */
export function kindOf(message: WireProcessingRequest): MessageKind | "unreadable" {
  const [kind, ...others] = messageKinds.filter((each) => message[each] !== undefined);
  return kind === undefined || others.length > 0 ? "unreadable" : kind;
}

const messageKinds = [
  "request_headers",
  "response_headers",
  "request_body",
  "response_body",
  "request_trailers",
  "response_trailers",
] as const;

export type MessageKind = (typeof messageKinds)[number];

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
