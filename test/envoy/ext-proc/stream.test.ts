// ext_proc over real sockets, with peers that do not speak as Envoy does: every stream gets its last answer before it ends
// well, what it held is given back, and one that waits for a body holds its headers only.

import assert from "node:assert/strict";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  createServer,
  type ServerHttp2Stream,
} from "node:http2";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { AllowDecision } from "../../../src/core/decision.ts";
import type { AuthzRequest } from "../../../src/core/request.ts";
import { ProcessCall } from "../../../src/envoy/ext-proc/call.ts";
import { createProcessHandler } from "../../../src/envoy/ext-proc/handler.ts";
import {
  decodeProcessingResponse,
  encodeProcessingRequest,
  processPath,
} from "../../../src/envoy/ext-proc/wire.ts";
import {
  createAdmission,
  createIdleRoom,
  type IdleRoom,
} from "../../../src/envoy/grpc/admission.ts";
import { createDeadlines } from "../../../src/envoy/grpc/deadlines.ts";
import { messagesOf } from "../../support/process-client.ts";
import {
  begin as beginCall,
  frame,
  handlerDeps,
  open,
  type Started,
  startServer,
} from "../grpc-peer.ts";

const kib = 1024;
const text = Buffer.from(`{"model":"fast"}${" ".repeat(100 * kib)}`);
const request: AuthzRequest = {
  method: "POST",
  path: "/v1/chat/completions",
  headers: new Map([["content-length", String(text.length)]]),
  body: { kind: "bytes", bytes: text, declaredBytes: undefined },
};
const allow: AllowDecision = {
  kind: "allow",
  dialect: "openai",
  operation: "chat.completions",
  key: "k",
  team: undefined,
  requestedModel: "fast",
  revision: "r",
  model: "vendor/big",
  upstreamModel: "big-one",
  hops: ["fast"],
  bodyBytes: text.length,
  bodyEdits: [{ offset: 9, old: '"fast"', new: '"big-one"' }],
  path: undefined,
  upstreamCredential: undefined,
  setHeaders: [["x-model", "vendor/big"]],
  removeHeaders: [],
};

const [headers, body] = messagesOf(request).map((message) =>
  frame(encodeProcessingRequest(message)),
);
assert.ok(headers !== undefined && body !== undefined);

const deps = handlerDeps(() => allow);

function start(t: TestContext, inFlightBytesMax = 1024 * kib): Promise<Started> {
  return startServer(t, { deps, settings: { inFlightBytesMax, waitingChecksMax: 0 } });
}

function begin(session: ClientHttp2Session, more: Record<string, string> = {}): ClientHttp2Stream {
  return beginCall(session, { ":path": processPath, ...more });
}

/** What came: "continue", "allow" or an HTTP status for each answer, and then how the stream ended. */
async function outcome(stream: ClientHttp2Stream): Promise<string> {
  const chunks: Buffer[] = [];
  let status = "none";
  stream.on("response", (head) => {
    status = String(head["grpc-status"] ?? status);
  });
  stream.on("trailers", (head) => {
    status = String(head["grpc-status"] ?? status);
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => stream.once("close", resolve));
  return [...answersIn(Buffer.concat(chunks)), `grpc ${status}`].join(", ");
}

function answersIn(bytes: Buffer): readonly string[] {
  if (bytes.length < 5) return [];
  const end = 5 + bytes.readUInt32BE(1);
  const response = decodeProcessingResponse(bytes.subarray(5, end));
  const rest = answersIn(bytes.subarray(end));
  if ("immediate_response" in response) {
    return [String(response.immediate_response.status.code), ...rest];
  }
  if ("request_headers" in response) return ["continue", ...rest];
  if (!("request_body" in response)) return [Object.keys(response).join(), ...rest];
  const { body_mutation } = response.request_body.response;
  const wanted = text.toString().replace("fast", "big-one");
  return [body_mutation?.body.toString() === wanted ? "allow" : "another body", ...rest];
}

const cut = (bytes: Buffer): Buffer => bytes.subarray(0, bytes.length - 1);

/** Each: what is sent, and whether the peer ends its side behind it. */
const streams: readonly (readonly [string, readonly Buffer[], boolean, string])[] = [
  ["headers and a body", [headers, body], false, "continue, allow, grpc 0"],
  ["both, and the end of its side", [headers, body], true, "continue, allow, grpc 0"],
  ["both in one write", [Buffer.concat([headers, body])], false, "continue, allow, grpc 0"],
  [
    "headers in single bytes",
    [...[...headers].map((byte) => Buffer.from([byte])), body],
    false,
    "continue, allow, grpc 0",
  ],
  [
    "a message behind the body",
    [Buffer.concat([headers, body, headers])],
    false,
    "continue, allow, grpc 0",
  ],
  ["nothing, and ends", [], true, "400, grpc 0"],
  ["half a prefix, and ends", [Buffer.alloc(3)], true, "400, grpc 0"],
  ["cut headers, and ends", [cut(headers)], true, "400, grpc 0"],
  ["headers, and ends", [headers], true, "continue, 400, grpc 0"],
  ["headers and a cut body, and ends", [headers, cut(body)], true, "continue, 400, grpc 0"],
  ["headers twice", [headers, headers], false, "continue, 400, grpc 0"],
  ["the body first", [body], false, "500, grpc 0"],
  ["an empty message", [frame(Buffer.alloc(0))], false, "400, grpc 0"],
  ["garbage", [frame(Buffer.alloc(100, 0xff))], false, "400, grpc 0"],
  ["a compressed message", [frame(Buffer.alloc(9), 1)], false, "400, grpc 0"],
  ["a message of 4 GiB", [frame(Buffer.alloc(20_000), 0, 2 ** 32 - 1)], false, "413, grpc 0"],
  [
    "a body of 4 GiB behind its headers",
    [headers, frame(Buffer.alloc(20_000), 0, 2 ** 32 - 1)],
    false,
    "continue, 413, grpc 0",
  ],
];

for (const [name, chunks, isEnding, wanted] of streams) {
  test(`createEnvoyServer answers a stream of ${name} with ${wanted}, and gives all back`, async (t) => {
    const { url, server, calls } = await start(t);
    const stream = begin(open(t, url));
    const ended = outcome(stream);
    for (const chunk of chunks) stream.write(chunk);
    if (isEnding) stream.end();
    assert.equal(await ended, wanted);
    assert.deepEqual(calls, [`${processPath} OK`]);
    await until(() => server.admission.active() === 0 && server.admission.bytes() === 0);
  });
}

/** Looks every few milliseconds; fails after far longer than a loaded machine needs. */
async function until(isTrue: () => boolean): Promise<void> {
  for (let looks = 0; !isTrue(); looks += 1) {
    assert.ok(looks < 2000, "it never came true");
    await delay(5);
  }
}

/** A stream whose headers are answered, and whose body is waited for. */
async function beginWaiting(session: ClientHttp2Session): Promise<ClientHttp2Stream> {
  const stream = begin(session);
  stream.write(headers);
  await new Promise((resolve) => stream.once("data", resolve));
  return stream;
}

test("a stream that waits for its body takes no room, and no place of those that bring theirs", async (t) => {
  // One message of the largest size at a time, and nobody may wait.
  const { url, server } = await start(t, 1);
  const session = open(t, url);
  const waiting: ClientHttp2Stream[] = [];
  while (waiting.length < 50) waiting.push(await beginWaiting(session));
  assert.deepEqual([server.admission.active(), server.admission.bytes()], [0, 0]);
  for (const stream of waiting) {
    const ended = outcome(stream);
    stream.write(body);
    assert.equal(await ended, "allow, grpc 0");
  }
});

test("a stream without room for its body is refused, in a healthy RPC", async (t) => {
  const { url, server } = await start(t, 1);
  const session = open(t, url);
  const first = await beginWaiting(session);
  const second = await beginWaiting(session);
  first.write(body.subarray(0, 50_000));
  await until(() => server.admission.active() === 1);
  const ended = outcome(second);
  second.write(body);
  assert.equal(await ended, "503, grpc 0");
  const served = outcome(first);
  first.write(body.subarray(50_000));
  assert.equal(await served, "allow, grpc 0");
});

test("a stream that is reset gives everything back, at the headers and at the body", async (t) => {
  const { url, server, calls } = await start(t);
  const session = open(t, url);
  const atHeaders = await beginWaiting(session);
  atHeaders.destroy(new Error("cancelled"));
  const atBody = begin(session);
  atBody.write(Buffer.concat([headers, body.subarray(0, 30_000)]));
  await until(() => server.admission.bytes() > 0);
  atBody.destroy(new Error("cancelled"));
  await until(() => server.admission.bytes() === 0 && calls.length === 2);
  assert.deepEqual(calls, [`${processPath} Canceled`, `${processPath} Canceled`]);
});

/** An HTTP/2 frame (RFC 9113, 4.1). */
function rawFrame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

test("a connection outlives 3,000 streams that are reset at once, as Envoy resets each that has ended", async (t) => {
  const { url } = await start(t);
  const { hostname, port } = new URL(url);
  const socket = connectTcp(Number(port), hostname);
  t.after(() => socket.destroy());
  const received: Buffer[] = [];
  socket.on("data", (bytes: Buffer) => received.push(bytes));
  socket.on("error", () => {});
  const fields = [":method", "POST", ":scheme", "http", ":path", processPath, ":authority", "a"];
  const texts = [...fields, "content-type", "application/grpc"].map((text) =>
    Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]),
  );
  // Each a literal that enters no table (RFC 7541, 6.2.2).
  const block = Buffer.concat(
    texts.flatMap((text, at) => (at % 2 === 0 ? [Buffer.of(0), text] : [text])),
  );
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(rawFrame(4, 0, 0, Buffer.alloc(0)));
  for (let at = 0; at < 3000; at += 1) {
    const stream = 2 * at + 1;
    socket.write(rawFrame(1, 4, stream, block));
    socket.write(rawFrame(3, 0, stream, Buffer.from([0, 0, 0, 8])));
  }
  const opaque = Buffer.from("8 bytes.");
  socket.write(rawFrame(6, 0, 0, opaque));
  const answered = (): boolean => Buffer.concat(received).includes(rawFrame(6, 1, 0, opaque));
  await until(() => answered() || socket.destroyed);
  assert.ok(answered(), "the connection was ended");
});

test("a stream with a deadline is refused before it, in a healthy RPC", async (t) => {
  const { url, calls } = await start(t);
  const stream = begin(open(t, url), { "grpc-timeout": "100m" });
  const ended = outcome(stream);
  stream.write(headers);
  assert.equal(await ended, "continue, 503, grpc 0");
  assert.deepEqual(calls, [`${processPath} OK`]);
});

test("stop refuses what still waits for its body when the grace is over", async (t) => {
  const { url, server } = await start(t);
  const ended = outcome(await beginWaiting(open(t, url)));
  await server.stop(50);
  assert.equal(await ended, "503, grpc 0");
});

/** A server of ProcessCall alone, with room of its own. */
async function startWith(t: TestContext, idleRoom: IdleRoom): Promise<string> {
  const admission = createAdmission({ bytesMax: 1024 * kib, waitingMax: 0 });
  const handler = createProcessHandler(deps);
  const rooms = { responseRoom: createIdleRoom(1024 * kib), chunkRoom: createIdleRoom(1024 * kib) };
  const rest = { ...rooms, messageBytesMax: 1024 * kib, nowMs: Date.now, onEnd: () => {} };
  const server = createServer();
  server.on("stream", (stream: ServerHttp2Stream, given) => {
    stream.on("error", () => {});
    new ProcessCall(stream, given, {
      admission,
      deadlines: createDeadlines(),
      idleRoom,
      handler,
      ...rest,
    });
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("streams that wait for their bodies are counted, refused over the bound, and given back", async (t) => {
  const idleRoom = createIdleRoom(20 * kib);
  const session = open(t, await startWith(t, idleRoom));
  const first = await beginWaiting(session);
  const held = idleRoom.bytes();
  assert.ok(held > 16 * kib && held < 18 * kib, String(held));
  const second = begin(session);
  const ended = outcome(second);
  second.write(headers);
  assert.equal(await ended, "503, grpc 0");
  assert.equal(idleRoom.bytes(), held);
  const served = outcome(first);
  first.write(body);
  assert.equal(await served, "allow, grpc 0");
  await until(() => idleRoom.bytes() === 0);
});
