// The response behind an allow, from messages to answers: what is changed, what is counted and when, and that everything
// unexpected ends the stream well, so that Envoy passes the rest on as it is.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AllowDecision } from "../../../src/core/decision.ts";
import type { ResponseObservation } from "../../../src/core/observation.ts";
import { createProcessHandler } from "../../../src/envoy/ext-proc/handler.ts";
import {
  createResponseSide,
  type ResponseDeps,
  type ResponseModel,
  type ResponseSide,
  type ResponseStep,
} from "../../../src/envoy/ext-proc/response-side.ts";
import {
  decodeProcessingResponse,
  encodeProcessingRequest,
  type WireProcessingRequest,
} from "../../../src/envoy/ext-proc/wire.ts";
import { messagesOf } from "../../support/process-client.ts";

const allow: AllowDecision = {
  ...{ kind: "allow", dialect: "openai", operation: "chat.completions", key: "k" },
  ...{ team: "t", requestedModel: "fast", revision: "r", model: "vendor/big" },
  ...{ upstreamModel: "big-one", hops: ["fast"], bodyBytes: 16, bodyEdits: [], path: undefined },
  ...{ setHeaders: [], removeHeaders: ["authorization"], upstreamCredential: undefined },
};

const requestHeaders = new Map([
  ["x-request-id", "id-1"],
  ["authorization", "Bearer secret"],
  ["accept-encoding", "gzip"],
]);

type Made = {
  readonly side: ResponseSide;
  readonly observations: ResponseObservation[];
  readonly bugs: unknown[];
};

function make(model: ResponseModel, more: Partial<ResponseDeps> = {}): Made {
  const observations: ResponseObservation[] = [];
  const bugs: unknown[] = [];
  const deps = {
    ...{ model, observe: (one: ResponseObservation) => observations.push(one) },
    reportBug: (error: unknown) => bugs.push(error),
    ...more,
  };
  const side = createResponseSide(deps, allow, requestHeaders);
  assert.ok(side !== undefined);
  return { side, observations, bugs };
}

const bytes = encodeProcessingRequest;

function headersOf(
  contentType: string,
  { status = "200", isLast = false, more = {} }: HeadersOptions = {},
): Buffer {
  const all = Object.entries({ ":status": status, "content-type": contentType, ...more });
  const headers = all.map(([key, value]) => ({ key, raw_value: Buffer.from(value) }));
  return bytes({ response_headers: { headers: { headers }, end_of_stream: isLast } });
}

type HeadersOptions = {
  readonly status?: string;
  readonly isLast?: boolean;
  readonly more?: Readonly<Record<string, string>>;
};

const json = "application/json";
const sse = "text/event-stream";
const body = (text: string, isLast = false): Buffer =>
  bytes({ response_body: { body: Buffer.from(text), end_of_stream: isLast } });

/** What Envoy makes of the answer to a chunk: "as it is", or the bytes in its place. */
function chunkIn({ pieces }: ResponseStep): string {
  const response = decodeProcessingResponse(Buffer.concat(pieces));
  assert.ok("response_body" in response);
  const mutation = response.response_body.response.body_mutation;
  return mutation === undefined ? "as it is" : (mutation.body ?? Buffer.alloc(0)).toString();
}

const served = (observations: readonly ResponseObservation[]) =>
  observations.map((one) => [one.served, ...one.servedModels]);

test("take shows the caller's name in each chunk, holds a cut one back, and ends behind the last", () => {
  const { side, observations } = make("requested");
  assert.equal(side.take(headersOf(json)).isLast, false);
  const cutStep = side.take(body('{"id":1,"model":"big-'));
  assert.equal(chunkIn(cutStep), '{"id":1,"model":');
  assert.ok(side.heldBytes() > 0);
  const rest = side.take(body('one","x":[]'));
  assert.equal(chunkIn(rest), '"fast","x":[]');
  assert.equal(side.heldBytes(), 0);
  assert.equal(chunkIn(side.take(body(' "a"'))), "as it is");
  const last = side.take(body("}", true));
  assert.deepEqual([chunkIn(last), last.isLast], ["as it is", true]);
  assert.deepEqual(observations, []);
  side.close();
  side.close();
  assert.deepEqual(served(observations), [["authorized", "big-one"]]);
});

test("take gives an empty chunk for one that is held back whole", () => {
  const { side } = make("requested");
  side.take(headersOf(json));
  side.take(body('{"model":"bi'));
  assert.equal(chunkIn(side.take(body("g"))), "");
  assert.equal(chunkIn(side.take(body("-one", true))), '"big-one');
});

test("take changes nothing in mode count, and takes the canonical name for the authorized one too", () => {
  const { side, observations } = make("count");
  side.take(headersOf(sse));
  for (const text of ['data: {"model":"big-', 'one"}\n\n', 'data: {"model":"vendor/big"}\n\n']) {
    assert.equal(chunkIn(side.take(body(text))), "as it is");
    assert.equal(side.heldBytes(), 0);
  }
  side.take(body("", true));
  side.close();
  assert.deepEqual(served(observations), [["authorized", "big-one", "vendor/big"]]);
});

test("take tells of another model at once and only once, with the ids and who asked", () => {
  const { side, observations } = make("requested");
  side.take(headersOf(sse));
  side.take(body('data: {"model":"big-one"}\n\n'));
  side.take(body('data: {"model":"cheap"}\n\n'));
  const [first] = observations;
  assert.deepEqual(first, {
    ...{ served: "other", servedModels: ["big-one", "cheap"], operation: "chat.completions" },
    ...{ key: "k", team: "t", model: "vendor/big", headers: new Map([["x-request-id", "id-1"]]) },
  });
  side.take(body('data: {"model":"cheaper"}\n\n', true));
  side.close();
  assert.equal(observations.length, 1);
});

test("take removes the headers that speak of the bytes only where they change", () => {
  const more = { etag: "x", "content-length": "9", "repr-digest": "y", "x-kept": "z" };
  const removed = (model: ResponseModel): unknown => {
    const { pieces } = make(model).side.take(headersOf(json, { more }));
    const response = decodeProcessingResponse(Buffer.concat(pieces));
    assert.ok("response_headers" in response);
    return response.response_headers.response.header_mutation?.remove_headers;
  };
  assert.deepEqual(removed("requested"), ["content-length", "repr-digest", "etag"]);
  assert.equal(removed("count"), undefined);
});

const unread: readonly (readonly [string, Buffer, boolean])[] = [
  ["another type", headersOf("text/html"), true],
  ["no type", headersOf(""), true],
  ["an encoding", headersOf(json, { more: { "content-encoding": "gzip" } }), true],
  ["a part", headersOf(json, { status: "206" }), true],
  ["no body", headersOf(json, { isLast: true }), true],
  ["an error", headersOf(json, { status: "500" }), false],
  ["a redirect", headersOf(json, { status: "302" }), false],
  ["no status", headersOf(json, { status: "" }), false],
];

for (const [name, headers, isCounted] of unread) {
  test(`take ends behind the headers of a response with ${name}`, () => {
    const { side, observations } = make("requested");
    const { pieces, isLast } = side.take(headers);
    const response = decodeProcessingResponse(Buffer.concat(pieces));
    assert.ok("response_headers" in response);
    assert.equal(isLast, true);
    side.close();
    assert.deepEqual(served(observations), isCounted ? [["unknown"]] : []);
  });
}

const request = { method: "POST", path: "/v1/chat/completions", headers: requestHeaders } as const;
const [requestMessage = {}] = messagesOf({ ...request, body: { kind: "none" } });
const wrong: readonly (readonly [string, Buffer])[] = [
  ["nothing", Buffer.alloc(0)],
  ["garbage", Buffer.alloc(30, 0xff)],
  ["a cut message", headersOf(json).subarray(0, 20)],
  ["the request's headers", bytes(requestMessage)],
  ["the request's body", bytes({ request_body: { body: Buffer.from("{}") } })],
  ["two messages at once", bytes({ response_headers: {}, response_body: {} })],
];

for (const [name, message] of wrong) {
  test(`take ends without an answer at ${name}, before and behind the headers`, () => {
    const early = make("requested");
    assert.deepEqual(early.side.take(message), { pieces: [], isLast: true });
    const late = make("requested");
    late.side.take(headersOf(json));
    assert.deepEqual(late.side.take(message), { pieces: [], isLast: true });
    for (const { side, bugs, observations } of [early, late]) {
      side.close();
      assert.deepEqual(bugs, []);
      assert.equal(observations.length, side === early.side ? 0 : 1);
    }
  });
}

test("take ends at a chunk before the headers and at headers that come again", () => {
  assert.deepEqual(make("count").side.take(body("{}")), { pieces: [], isLast: true });
  const { side } = make("count");
  side.take(headersOf(json));
  assert.deepEqual(side.take(headersOf(json)), { pieces: [], isLast: true });
});

test("take lets trailers go: the request's at any time, the response's as the end", () => {
  const { side } = make("requested");
  const early = side.take(bytes({ request_trailers: {} }));
  assert.equal(early.isLast, false);
  assert.ok("request_trailers" in decodeProcessingResponse(Buffer.concat(early.pieces)));
  side.take(headersOf(json));
  side.take(body('{"model":"big-one"}'));
  const last = side.take(bytes({ response_trailers: {} }));
  assert.equal(last.isLast, true);
  assert.ok("response_trailers" in decodeProcessingResponse(Buffer.concat(last.pieces)));
});

test("finishNext makes the next chunk the last, which brings what is held as it came", () => {
  const { side } = make("requested");
  side.take(headersOf(json));
  side.take(body('{"model":"big-'));
  side.finishNext();
  const step = side.take(body("on"));
  assert.deepEqual([chunkIn(step), step.isLast], ['"big-on', true]);
  const early = make("count").side;
  early.finishNext();
  assert.equal(early.take(headersOf(json)).isLast, true);
});

test("leaveUnread counts a response that there is no room to read", () => {
  const { side, observations } = make("count");
  side.leaveUnread();
  side.close();
  assert.deepEqual(served(observations), [["unknown"]]);
});

test("take answers all the same when observing fails, and reports it", () => {
  const { side, bugs } = make("requested", {
    observe: () => {
      throw new Error("full disk");
    },
  });
  side.take(headersOf(json));
  const step = side.take(body('{"model":"cheap"}', true));
  assert.deepEqual([chunkIn(step), step.isLast], ['{"model":"fast"}', true]);
  assert.equal(bugs.length, 1);
});

test("createResponseSide is for operations whose responses name models, and no others", () => {
  const deps = { model: "count", observe: () => {}, reportBug: () => {} } as const;
  const isMade = (operation: string): boolean =>
    createResponseSide(deps, { ...allow, operation }, requestHeaders) !== undefined;
  const names = ["chat.completions", "messages", "ollama.embed", "audio.speech", "constructor"];
  assert.deepEqual(names.map(isMade), [true, true, true, false, false]);
});

function processOf(decision: AllowDecision, model: ResponseModel | undefined) {
  const handler = createProcessHandler({
    ...{ decide: () => decision, decideHeaders: () => undefined },
    ...{ holder: { current: () => undefined }, nowMs: () => 0, monotonicUs: () => 0 },
    ...{ random: () => 0, observe: () => {}, reportBug: () => assert.fail() },
    ...(model === undefined ? {} : { responses: { model, observe: () => {} } }),
  });
  return handler.open();
}

const [headersMessage = {}, bodyMessage = {}] = messagesOf({
  ...request,
  body: { kind: "bytes", bytes: Buffer.from('{"model":"fast"}'), declaredBytes: undefined },
}) as readonly WireProcessingRequest[];

test("a process asks for the response at the headers, and for no encoding at the allow", () => {
  const process = processOf(allow, "count");
  const first = process.take(bytes(headersMessage));
  const goOn = decodeProcessingResponse(Buffer.concat(first.pieces));
  assert.deepEqual(
    { ...goOn.mode_override },
    {
      request_body_mode: 2,
      response_header_mode: 1,
      response_body_mode: 1,
      response_trailer_mode: 1,
    },
  );
  const last = process.take(bytes(bodyMessage));
  assert.ok(last.response !== undefined);
  const answer = decodeProcessingResponse(Buffer.concat(last.pieces));
  assert.ok("request_body" in answer);
  const removed = answer.request_body.response.header_mutation?.remove_headers;
  assert.deepEqual(removed, ["authorization", "accept-encoding"]);
});

test("a process asks for neither without the setting, nor of an operation whose response names no model", () => {
  const silent = processOf(allow, undefined);
  const first = silent.take(bytes(headersMessage));
  assert.equal(decodeProcessingResponse(Buffer.concat(first.pieces)).mode_override, undefined);
  const speech = processOf({ ...allow, operation: "audio.speech" }, "requested");
  speech.take(bytes(headersMessage));
  for (const last of [silent.take(bytes(bodyMessage)), speech.take(bytes(bodyMessage))]) {
    assert.equal(last.response, undefined);
    const answer = decodeProcessingResponse(Buffer.concat(last.pieces));
    assert.ok("request_body" in answer);
    const removed = answer.request_body.response.header_mutation?.remove_headers;
    assert.deepEqual(removed, ["authorization"]);
  }
});

test("a process lets Envoy's own answer go while it waits for the body, and observes nothing", () => {
  const process = processOf(allow, "requested");
  process.take(bytes(headersMessage));
  const step = process.take(headersOf(json, { status: "413" }));
  assert.deepEqual([step.isLast, step.response], [true, undefined]);
  assert.ok("response_headers" in decodeProcessingResponse(Buffer.concat(step.pieces)));
});

test("take answers whatever comes with what goes on, never with a refusal, and loses nothing before its end", () => {
  const pieces = [
    '{"id":1,',
    '"model"',
    ':"big-',
    'one"',
    ',"x":"y',
    '"}',
    "data: ",
    "\n\n",
    "[",
    "\\",
  ];
  const chunks = fc.array(
    fc.constantFrom(...pieces).map((piece) => body(piece)),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(
      fc.constantFrom(json, sse),
      chunks,
      fc.uint8Array({ maxLength: 40 }),
      (type, sent, noise) => {
        const { side, bugs } = make("count");
        side.take(headersOf(type));
        for (const message of sent) assert.equal(chunkIn(side.take(message)), "as it is");
        const { pieces: answers } = side.take(Buffer.from(noise));
        if (answers.length > 0) {
          const answer = decodeProcessingResponse(Buffer.concat(answers));
          assert.equal("immediate_response" in answer, false);
        }
        side.close();
        assert.deepEqual(bugs, []);
      },
    ),
    { numRuns: 300 },
  );
});
