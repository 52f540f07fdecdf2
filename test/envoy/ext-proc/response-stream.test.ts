// Responses over real sockets, with peers that do not speak as Envoy does: each stream ends well, what it held is given back,
// and nothing waits for room.

import assert from "node:assert/strict";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  createServer,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { AllowDecision } from "../../../src/core/decision.ts";
import type { Served } from "../../../src/core/observation.ts";
import { ProcessCall, responseStreamBytes } from "../../../src/envoy/ext-proc/call.ts";
import { createProcessHandler } from "../../../src/envoy/ext-proc/handler.ts";
import {
  decodeProcessingResponse,
  encodeProcessingRequest,
  processPath,
  type WireProcessingRequest,
} from "../../../src/envoy/ext-proc/wire.ts";
import { createAdmission, createIdleRoom } from "../../../src/envoy/grpc/admission.ts";
import { createDeadlines } from "../../../src/envoy/grpc/deadlines.ts";
import { messagesOf } from "../../support/process-client.ts";
import { frame as frameOf, open } from "../grpc-peer.ts";

const kib = 1024;
const text = Buffer.from('{"model":"fast"}');
const allow: AllowDecision = {
  ...{ kind: "allow", dialect: "openai", operation: "chat.completions", key: "k" },
  ...{ team: undefined, requestedModel: "fast", revision: "r", model: "vendor/big" },
  ...{ upstreamModel: "big-one", hops: ["fast"], bodyBytes: text.length, path: undefined },
  ...{ bodyEdits: [{ offset: 9, old: '"fast"', new: '"big-one"' }], upstreamCredential: undefined },
  ...{ setHeaders: [["x-model", "vendor/big"]], removeHeaders: [] },
};

function frame(message: WireProcessingRequest, flag = 0, length?: number): Buffer {
  return frameOf(encodeProcessingRequest(message), flag, length);
}

const request = Buffer.concat(
  messagesOf({
    method: "POST",
    path: "/v1/chat/completions",
    headers: new Map([["content-length", String(text.length)]]),
    body: { kind: "bytes", bytes: text, declaredBytes: undefined },
  }).map((message) => frame(message)),
);
const responseHeaders = frame({
  response_headers: {
    headers: {
      headers: [
        { key: ":status", raw_value: Buffer.from("200") },
        { key: "content-type", raw_value: Buffer.from("application/json") },
      ],
    },
  },
});
const chunk = (body: string | Buffer, isLast = false): Buffer =>
  frame({ response_body: { body: Buffer.from(body), end_of_stream: isLast } });

type Started = {
  readonly url: string;
  readonly responseRoom: ReturnType<typeof createIdleRoom>;
  readonly chunkRoom: ReturnType<typeof createIdleRoom>;
  readonly admission: ReturnType<typeof createAdmission>;
  readonly calls: ProcessCall[];
  readonly served: Served[];
  readonly codes: string[];
};

type Rooms = {
  readonly streams?: number;
  readonly chunkBytes?: number;
  readonly bytesMax?: number;
};

/** A server of ProcessCall alone, with room of its own. */
async function start(
  t: TestContext,
  { streams = 10, chunkBytes = 64 * kib, bytesMax = 1024 * kib }: Rooms = {},
): Promise<Started> {
  const admission = createAdmission({ bytesMax, waitingMax: 100 });
  const responseRoom = createIdleRoom(streams * responseStreamBytes);
  const chunkRoom = createIdleRoom(chunkBytes);
  const calls: ProcessCall[] = [];
  const served: Served[] = [];
  const codes: string[] = [];
  const handler = createProcessHandler({
    ...{ decide: () => allow, decideHeaders: () => undefined },
    ...{ holder: { current: () => undefined }, nowMs: () => 0, monotonicUs: () => 0 },
    ...{ random: () => 0, observe: () => {}, reportBug: () => assert.fail() },
    responses: { model: "requested", observe: (one) => served.push(one.served) },
  });
  const deps = {
    ...{ admission, idleRoom: createIdleRoom(1024 * kib), responseRoom, chunkRoom, handler },
    ...{ messageBytesMax: 1024 * kib, nowMs: Date.now, deadlines: createDeadlines() },
    onEnd: (code: string) => codes.push(code),
  };
  const server = createServer();
  server.on("stream", (stream: ServerHttp2Stream, given) => {
    stream.on("error", () => {});
    calls.push(new ProcessCall(stream, given, deps));
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, responseRoom, chunkRoom, admission, calls, served, codes };
}

/** One stream, and what came on it. */
class Peer {
  readonly stream: ClientHttp2Stream;
  readonly #chunks: Buffer[] = [];
  #status = "none";

  constructor(session: ClientHttp2Session, more: Record<string, string> = {}) {
    this.stream = session.request({
      ...{ ":method": "POST", ":path": processPath, "content-type": "application/grpc" },
      ...more,
    });
    this.stream.on("error", () => {});
    this.stream.on("data", (bytes: Buffer) => this.#chunks.push(bytes));
    this.stream.on("trailers", (head) => {
      this.#status = String(head["grpc-status"]);
    });
  }

  /** The answers so far: of a chunk "as it is" or what is in its place, of others their names. */
  answers(): readonly string[] {
    return answersIn(Buffer.concat(this.#chunks));
  }

  async until(count: number): Promise<readonly string[]> {
    await until(() => this.answers().length >= count);
    return this.answers();
  }

  /** All answers, and how the stream ended. */
  async ended(): Promise<string> {
    await new Promise((resolve) => this.stream.once("close", resolve));
    return [...this.answers(), `grpc ${this.#status}`].join(", ");
  }
}

function answersIn(bytes: Buffer): readonly string[] {
  if (bytes.length < 5 || bytes.length < 5 + bytes.readUInt32BE(1)) return [];
  const end = 5 + bytes.readUInt32BE(1);
  const response = decodeProcessingResponse(bytes.subarray(5, end));
  const rest = answersIn(bytes.subarray(end));
  if ("response_body" in response) {
    const mutation = response.response_body.response.body_mutation;
    const shown = mutation === undefined ? "as it is" : String(mutation.body ?? "");
    return [shown.length > 100 ? `${shown.length} bytes` : shown, ...rest];
  }
  const names = Object.keys(response).filter((name) => /^re|^immediate/.test(name));
  return [names.join("+"), ...rest];
}

/** Looks every few milliseconds; fails after far longer than a loaded machine needs. */
async function until(isTrue: () => boolean): Promise<void> {
  for (let looks = 0; !isTrue(); looks += 1) {
    assert.ok(looks < 2000, "it never came true");
    await delay(5);
  }
}

/** A stream behind its allow and the headers of its response. */
async function beginResponse(session: ClientHttp2Session): Promise<Peer> {
  const peer = new Peer(session);
  peer.stream.write(request);
  await peer.until(2);
  peer.stream.write(responseHeaders);
  await peer.until(3);
  return peer;
}

const begun = "request_headers, request_body, response_headers";

test("a response is answered message by message, ends well, and gives everything back", async (t) => {
  const { url, responseRoom, admission, served, codes } = await start(t);
  const peer = await beginResponse(open(t, url));
  assert.equal(responseRoom.bytes(), responseStreamBytes);
  assert.deepEqual([admission.active(), admission.bytes()], [0, 0]);
  const ended = peer.ended();
  peer.stream.write(chunk('{"model":"big-one"'));
  assert.equal((await peer.until(4)).at(-1), '{"model":"fast"');
  peer.stream.write(chunk(',"x":1'));
  peer.stream.write(chunk("}", true));
  assert.equal(await ended, `${begun}, {"model":"fast", as it is, as it is, grpc 0`);
  await until(() => responseRoom.bytes() === 0);
  assert.deepEqual([served, codes], [["authorized"], ["OK"]]);
});

test("messages are read however they are cut, and what comes in one write with the body", async (t) => {
  const { url } = await start(t);
  const session = open(t, url);
  const all = [responseHeaders, chunk('{"model":"big-one"'), chunk("}", true)];
  const wanted = `${begun}, {"model":"fast", as it is, grpc 0`;
  const bytewise = await beginResponse(session);
  const ended = bytewise.ended();
  for (const byte of Buffer.concat(all.slice(1))) bytewise.stream.write(Buffer.from([byte]));
  assert.equal(await ended, wanted);
  const atOnce = new Peer(session);
  const whole = atOnce.ended();
  atOnce.stream.write(Buffer.concat([request, ...all]));
  assert.equal(await whole, wanted);
});

test("a response without room for its stream goes unread and is counted, and the request is served", async (t) => {
  const { url, served, responseRoom } = await start(t, { streams: 1 });
  const session = open(t, url);
  const first = await beginResponse(session);
  const second = new Peer(session);
  const ended = second.ended();
  second.stream.write(request);
  assert.equal(await ended, "request_headers, request_body, grpc 0");
  assert.deepEqual(served, ["unknown"]);
  first.stream.close();
  await until(() => responseRoom.bytes() === 0);
});

test("a long message takes room until it is answered", async (t) => {
  const { url, chunkRoom } = await start(t);
  const peer = await beginResponse(open(t, url));
  const long = chunk(`{"model":"big-one","x":"${"x".repeat(50_000)}`);
  peer.stream.write(long.subarray(0, 30_000));
  await until(() => chunkRoom.bytes() > 50_000);
  const ended = peer.ended();
  peer.stream.write(long.subarray(30_000));
  assert.match((await peer.until(4)).at(-1) ?? "", /^500\d\d bytes$/);
  assert.equal(chunkRoom.bytes(), 0);
  peer.stream.write(chunk('"}', true));
  assert.match(await ended, /as it is, grpc 0$/);
});

test("a long message without room ends the stream well, unless bytes are held that must go before it", async (t) => {
  const { url, chunkRoom, served } = await start(t, { chunkBytes: 10 });
  const session = open(t, url);
  const long = chunk(`{"model":"big-one","x":"${"x".repeat(50_000)}`);
  const unread = await beginResponse(session);
  const ended = unread.ended();
  unread.stream.write(long);
  assert.equal(await ended, `${begun}, grpc 0`);
  assert.deepEqual(served, ["unknown"]);
  const held = await beginResponse(session);
  held.stream.write(chunk('{"model":"big-'));
  assert.equal((await held.until(4)).at(-1), '{"model":');
  held.stream.write(chunk(`one","x":"${"x".repeat(50_000)}`));
  assert.match((await held.until(5)).at(-1) ?? "", /^500\d\d bytes$/);
  assert.equal(chunkRoom.bytes(), 0);
  held.stream.close();
});

const ends: readonly (readonly [string, (peer: Peer) => void])[] = [
  ["ends its side", (peer) => peer.stream.end()],
  [
    "ends it in the middle of a message",
    (peer) => peer.stream.end(chunk('{"model":1}').subarray(0, 9)),
  ],
  ["sends a compressed message", (peer) => peer.stream.write(frame({ response_body: {} }, 1))],
  ["says 4 GiB", (peer) => peer.stream.write(frame({ response_body: {} }, 0, 2 ** 32 - 1))],
  [
    "sends garbage",
    (peer) => peer.stream.write(Buffer.concat([Buffer.from([0, 0, 0, 0, 1, 255])])),
  ],
  ["sends the request again", (peer) => peer.stream.write(request)],
];

for (const [name, act] of ends) {
  test(`a response whose peer ${name} ends well and is counted`, async (t) => {
    const { url, responseRoom, chunkRoom, served } = await start(t);
    const peer = await beginResponse(open(t, url));
    const ended = peer.ended();
    act(peer);
    assert.equal(await ended, `${begun}, grpc 0`);
    await until(() => responseRoom.bytes() === 0 && chunkRoom.bytes() === 0);
    assert.deepEqual(served, ["unknown"]);
  });
}

test("a response that is reset gives everything back, in the middle of a message too", async (t) => {
  const { url, responseRoom, chunkRoom, codes, served } = await start(t);
  const session = open(t, url);
  const idle = await beginResponse(session);
  const busy = await beginResponse(session);
  busy.stream.write(chunk("x".repeat(40_000)).subarray(0, 20_000));
  await until(() => chunkRoom.bytes() > 0);
  for (const { stream } of [idle, busy]) stream.destroy(new Error("cancelled"));
  await until(() => responseRoom.bytes() === 0 && chunkRoom.bytes() === 0);
  assert.deepEqual(
    [codes, served],
    [
      ["Canceled", "Canceled"],
      ["unknown", "unknown"],
    ],
  );
});

test("end ends a response well at once, or behind the chunk that brings what is held", async (t) => {
  const { url, calls } = await start(t);
  const session = open(t, url);
  const free = await beginResponse(session);
  const freeEnded = free.ended();
  calls[0]?.end();
  assert.equal(await freeEnded, `${begun}, grpc 0`);
  const holding = await beginResponse(session);
  holding.stream.write(chunk('{"model":"big-'));
  await holding.until(4);
  const ended = holding.ended();
  calls[1]?.end();
  holding.stream.write(chunk('one","x":1'));
  assert.equal(await ended, `${begun}, {"model":, "fast","x":1, grpc 0`);
});

test("a response with a deadline ends well before it", async (t) => {
  const { url, codes } = await start(t);
  const peer = new Peer(open(t, url), { "grpc-timeout": "300m" });
  const ended = peer.ended();
  peer.stream.write(Buffer.concat([request, responseHeaders]));
  assert.equal(await ended, `${begun}, grpc 0`);
  assert.deepEqual(codes, ["OK"]);
});

test("answers that the peer does not read stop the reading, and nothing is lost", async (t) => {
  const { url } = await start(t, { chunkBytes: 1024 * kib });
  const peer = await beginResponse(open(t, url));
  const ended = peer.ended();
  peer.stream.pause();
  const count = 200;
  peer.stream.write(chunk(`{"x":"`));
  for (let at = 0; at < count; at += 1)
    peer.stream.write(chunk(`","model":"big-one","y${at}":"${"x".repeat(8000)}`));
  peer.stream.write(chunk(`"}`, true));
  await delay(200);
  assert.ok(peer.stream.writableLength > 500_000, String(peer.stream.writableLength));
  peer.stream.resume();
  const answers = (await ended).split(", ");
  assert.equal(answers.filter((each) => /^80\d\d bytes$/.test(each)).length, count);
  assert.equal(answers.at(-1), "grpc 0");
});

test("a response goes on while bodies of requests wait for room on the same connection", async (t) => {
  const { url, admission } = await start(t, { bytesMax: 1 });
  const session = open(t, url);
  const peer = await beginResponse(session);
  const [headers = Buffer.alloc(0), body = Buffer.alloc(0)] = messagesOf({
    ...{ method: "POST", path: "/v1/chat/completions", headers: new Map<string, string>() },
    body: { kind: "bytes", bytes: Buffer.alloc(200 * kib, " "), declaredBytes: undefined },
  }).map((message) => frame(message));
  for (let at = 0; at < 40; at += 1) {
    const { stream } = new Peer(session);
    stream.write(headers);
    stream.write(body.subarray(0, 150 * kib));
  }
  await until(() => admission.active() === 1 && admission.waiting() === 39);
  const ended = peer.ended();
  peer.stream.write(chunk(`{"model":"big-one","x":"${"x".repeat(50_000)}`));
  assert.match((await peer.until(4)).at(-1) ?? "", /^500\d\d bytes$/);
  peer.stream.write(chunk('"}', true));
  assert.match(await ended, /as it is, grpc 0$/);
  assert.equal(admission.waiting(), 39);
});
