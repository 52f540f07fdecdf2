// What comes of a request, read from a decision and, on another way, from a CheckResponse as Envoy would apply it: the
// runners compare these, and each is compared with what the case wants.

import assert from "node:assert/strict";
import type { AllowDecision, Decision } from "../../src/core/decision.ts";
import { denialEnvelope } from "../../src/core/envelope.ts";
import type { AuthzRequest } from "../../src/core/request.ts";
import type {
  WireCommonResponse,
  WireImmediateResponse,
  WireProcessingResponse,
  WireRawHeaderOption,
} from "../../src/envoy/ext-proc/wire.ts";
import type { WireCheckResponse, WireHeaderOption, WireValue } from "../../src/envoy/wire.ts";

export type Headers = ReadonlyMap<string, string>;

export type Outcome =
  | {
      readonly kind: "allow" | "pass";
      readonly operation: string | undefined;
      readonly dialect: string | undefined;
      readonly key: string | undefined;
      readonly team: string | undefined;
      readonly requestedModel: string | undefined;
      readonly model: string | undefined;
      readonly upstreamModel: string | undefined;
      /** What the backend gets. The body as latin1, so that every byte is compared. */
      readonly backend: { readonly path: string; readonly body: string; readonly headers: Headers };
    }
  | {
      readonly kind: "answer" | "deny";
      readonly operation: string | undefined;
      readonly dialect: string | undefined;
      readonly key: string | undefined;
      readonly reason: string | undefined;
      readonly status: number;
      readonly headers: Headers;
      readonly body: string;
    };

export function outcomeOfDecision(decision: Decision, request: AuthzRequest): Outcome {
  const { operation, dialect, key } = decision;
  switch (decision.kind) {
    case "allow": {
      const { team, requestedModel, model, upstreamModel } = decision;
      const backend = backendOfDecision(decision, request);
      const facts = { operation, dialect, key, team, requestedModel, model, upstreamModel };
      return { kind: "allow", ...facts, backend };
    }
    case "pass": {
      const { team, requestedModel } = decision;
      const backend = backendOfDecision({ ...decision, bodyEdits: [] }, request);
      const none = { model: undefined, upstreamModel: undefined };
      return { kind: "pass", operation, dialect, key, team, requestedModel, ...none, backend };
    }
    case "answer": {
      const { body, status } = decision;
      const headers = new Map(body === "" ? [] : [["content-type", "application/json"]]);
      return { kind: "answer", operation, dialect, key, reason: undefined, status, headers, body };
    }
    case "deny": {
      const { status, headers, body } = denialEnvelope(decision);
      const { reason } = decision;
      const kind = "deny" as const;
      return { kind, operation, dialect, key, reason, status, headers: new Map(headers), body };
    }
    default:
      return decision satisfies never;
  }
}

type Applied = Pick<AllowDecision, "bodyEdits" | "setHeaders" | "removeHeaders" | "path">;

function backendOfDecision(decision: Applied, { path, headers, body }: AuthzRequest) {
  const edited = applyEdits(bytesOf(body), decision.bodyEdits);
  const kept = new Map(headers);
  for (const [name, value] of decision.setHeaders) kept.set(name, value);
  for (const name of decision.removeHeaders) kept.delete(name);
  return { path: decision.path ?? path, body: edited.toString("latin1"), headers: sorted(kept) };
}

type Edit = { readonly offset: number; readonly old: string; readonly new: string };

/** Refuses edits that do not stand where they say, overlap, or do not ascend: so do the Lua filter and ext_proc. */
function applyEdits(bytes: Buffer, edits: readonly Edit[]): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (const edit of edits) {
    const old = Buffer.from(edit.old, "utf8");
    const end = edit.offset + old.length;
    assert.ok(edit.offset >= at, "edits ascend and do not overlap");
    assert.deepEqual(bytes.subarray(edit.offset, end), old, "the old bytes stand there");
    parts.push(bytes.subarray(at, edit.offset), Buffer.from(edit.new, "utf8"));
    at = end;
  }
  return Buffer.concat([...parts, bytes.subarray(at)]);
}

export function bytesOf(body: AuthzRequest["body"]): Buffer {
  if (body.kind === "none") return Buffer.alloc(0);
  return body.kind === "bytes" ? Buffer.from(body.bytes) : Buffer.from(body.text, "utf8");
}

const pendingPrefix = "/aliasguard-rewrite-pending";

/** As Envoy applies it: status code 0 lets the request on; headers overwrite, then removals; the Lua filter edits. */
export function outcomeOfResponse(response: WireCheckResponse, request: AuthzRequest): Outcome {
  const metadata = new Map(Object.entries(response.dynamic_metadata.fields));
  const word = (name: string): string | undefined => textOf(metadata.get(name));
  const facts = { operation: word("operation"), dialect: word("dialect"), key: word("key") };
  if (response.status.code !== 0) {
    assert.ok("denied_response" in response, "anything but code 0 brings its answer");
    const { status, headers, body } = response.denied_response;
    const kind = word("decision") === "answer" ? "answer" : "deny";
    const reason = word("reason");
    const text: string | undefined = body;
    const answer = { status: status.code, headers: headersOf(headers), body: text ?? "" };
    return { kind, ...facts, reason, ...answer };
  }
  assert.ok("ok_response" in response, "code 0 brings what to change");
  const kind = word("decision") === "pass" ? "pass" : "allow";
  assert.equal(word("decision"), kind);
  const given = new Map([...request.headers, [":path", request.path]]);
  for (const [name, value] of headersOf(response.ok_response.headers)) given.set(name, value);
  for (const name of response.ok_response.headers_to_remove) given.delete(name);
  const bytes = bytesOf(request.body);
  const rewrite = membersOf(metadata.get("rewrite"));
  const body = rewrite === undefined ? bytes : splice(bytes, rewrite, given);
  const path = given.get(":path") ?? "";
  assert.ok(!path.startsWith(pendingPrefix), "the guard has fallen");
  given.delete(":path");
  return {
    kind,
    ...facts,
    team: word("team"),
    requestedModel: word("requested_model"),
    model: word("model"),
    upstreamModel: word("upstream_model"),
    backend: { path, body: body.toString("latin1"), headers: sorted(given) },
  };
}

/** As Envoy applies the last answer of an ext_proc stream. */
export function outcomeOfProcess(response: WireProcessingResponse, request: AuthzRequest): Outcome {
  const namespace = membersOf(response.dynamic_metadata?.fields["aliasguard"]);
  assert.ok(namespace !== undefined, "the metadata stands in its namespace");
  const word = (name: string): string | undefined => textOf(namespace.get(name));
  assert.equal(namespace.has("rewrite"), false);
  const facts = { operation: word("operation"), dialect: word("dialect"), key: word("key") };
  if ("immediate_response" in response) {
    const { status, headers, body, details } = response.immediate_response;
    assert.match(details, /^aliasguard_[a-z_]+$/);
    const kind = word("decision") === "answer" ? "answer" : "deny";
    // A decoded message lacks what is empty.
    const given: Partial<WireImmediateResponse> = { headers, body };
    const text = given.body?.toString("utf8") ?? "";
    const answer = {
      status: status.code,
      headers: rawHeadersOf(given.headers?.set_headers),
      body: text,
    };
    return { kind, ...facts, reason: word("reason"), ...answer };
  }
  const kind = word("decision");
  assert.ok(kind === "allow" || kind === "pass", kind);
  const common = commonOf(response);
  const names = ["team", "requested_model", "model", "upstream_model"] as const;
  const [team, requestedModel, model, upstreamModel] = names.map(word);
  const backend = backendOfProcess(common, request);
  return { kind, ...facts, team, requestedModel, model, upstreamModel, backend };
}

function commonOf(response: WireProcessingResponse): WireCommonResponse {
  if ("request_body" in response) return response.request_body.response;
  assert.ok("request_headers" in response, "a request is answered as one");
  return response.request_headers.response;
}

function backendOfProcess(common: WireCommonResponse, request: AuthzRequest) {
  assert.equal(common.clear_route_cache, true);
  assert.ok(
    common.header_mutation !== undefined,
    "without one, the route would not be chosen again",
  );
  const given = new Map([...request.headers, [":path", request.path]]);
  for (const name of common.header_mutation.remove_headers ?? []) given.delete(name);
  for (const [name, value] of rawHeadersOf(common.header_mutation.set_headers))
    given.set(name, value);
  const old = bytesOf(request.body);
  const body = common.body_mutation?.body ?? old;
  const length = request.headers.get("content-length");
  // Envoy refuses a header that says another length than the new body's; without one it needs none.
  assert.equal(given.get("content-length"), length === undefined ? undefined : String(body.length));
  if (length !== undefined) given.set("content-length", length);
  const path = given.get(":path") ?? "";
  given.delete(":path");
  return { path, body: body.toString("latin1"), headers: sorted(given) };
}

function rawHeadersOf(options: readonly WireRawHeaderOption[] | undefined): Headers {
  const headers = new Map<string, string>();
  for (const { header, append } of options ?? []) {
    assert.notEqual(append.value, true, `${header.key} is overwritten, not added`);
    headers.set(header.key, header.raw_value.toString("utf8"));
  }
  return headers;
}

/** What deploy/envoy/splice.lua does with the metadata. */
function splice(
  bytes: Buffer,
  rewrite: ReadonlyMap<string, WireValue>,
  headers: Map<string, string>,
): Buffer {
  const realPath = textOf(rewrite.get("path"));
  assert.equal(headers.get(":path"), `${pendingPrefix}${realPath}`);
  headers.set(":path", realPath ?? "");
  assert.equal(numberOf(rewrite.get("length")), bytes.length);
  const list = rewrite.get("edits");
  assert.ok(list !== undefined && "listValue" in list);
  const edits = list.listValue.values.map((value) => {
    const edit = membersOf(value);
    const offset = numberOf(edit?.get("offset")) ?? -1;
    return { offset, old: textOf(edit?.get("old")) ?? "", new: textOf(edit?.get("new")) ?? "" };
  });
  assert.ok(edits.length > 0);
  return applyEdits(bytes, edits);
}

/** A decoded message lacks what is empty. */
function headersOf(options: readonly WireHeaderOption[] | undefined): Headers {
  const headers = new Map<string, string>();
  for (const { header, append } of options ?? []) {
    assert.notEqual(append.value, true, `${header.key} is overwritten, not added`);
    headers.set(header.key, header.value);
  }
  return headers;
}

function textOf(value: WireValue | undefined): string | undefined {
  return value !== undefined && "stringValue" in value ? value.stringValue : undefined;
}

function numberOf(value: WireValue | undefined): number | undefined {
  return value !== undefined && "numberValue" in value ? value.numberValue : undefined;
}

function membersOf(value: WireValue | undefined): ReadonlyMap<string, WireValue> | undefined {
  if (value === undefined || !("structValue" in value)) return undefined;
  return new Map(Object.entries(value.structValue.fields));
}

function sorted(headers: Headers): Headers {
  return new Map([...headers].sort(([a], [b]) => (a < b ? -1 : 1)));
}
