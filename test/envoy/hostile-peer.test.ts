// Peers that do not speak as Envoy does, over real sockets: whatever they send, they and everybody else get an answer.

import assert from "node:assert/strict";
import { type ClientHttp2Session, type ClientHttp2Stream, constants } from "node:http2";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { checkPath, decodeCheckResponse, encodeCheckRequest } from "../../src/envoy/wire.ts";
import { begin, frame, handlerDeps, open, probe, type Started, startServer } from "./grpc-peer.ts";

const message = encodeCheckRequest({
  attributes: { request: { http: { method: "GET", path: "/health" } } },
});

function start(t: TestContext): Promise<Started> {
  return startServer(t, { deps: handlerDeps(() => probe), settings: {} });
}

/** "200" and the like for an answered check, "grpc N" or "http N" for a failed call. */
function outcome(stream: ClientHttp2Stream): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let status = "none";
    let http = "none";
    const read = (headers: Record<string, unknown>): void => {
      status = String(headers["grpc-status"] ?? status);
      http = String(headers[":status"] ?? http);
    };
    stream.on("response", read);
    stream.on("trailers", read);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("close", () => {
      if (http !== "200") resolve(`http ${http}`);
      else if (status !== "0") resolve(`grpc ${status}`);
      else {
        const response = decodeCheckResponse(Buffer.concat(chunks).subarray(5));
        resolve("denied_response" in response ? `${response.denied_response.status.code}` : "ok");
      }
    });
  });
}

function send(session: ClientHttp2Session, bytes: Buffer, more = {}): Promise<string> {
  const stream = begin(session, more);
  const ended = outcome(stream);
  stream.end(bytes);
  return ended;
}

const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024));

for (const [name, bytes, headers, wanted] of [
  ["a good check", frame(message), {}, "200"],
  ["a deadline that cannot be read", frame(message), { "grpc-timeout": "soon" }, "200"],
  ["a compressed bomb", frame(bomb, 1), { "grpc-encoding": "gzip" }, "400"],
  ["a compressed flag without an encoding", frame(message, 1), {}, "400"],
  ["a flag that is none", frame(message, 7), {}, "400"],
  ["nothing at all", Buffer.alloc(0), {}, "400"],
  ["half a prefix", Buffer.from([0, 0, 0]), {}, "400"],
  ["a message that ends early", frame(message, 0, message.length + 1), {}, "400"],
  ["a large message that ends early", frame(Buffer.alloc(50_000), 0, 60_000), {}, "400"],
  ["two messages", Buffer.concat([frame(message), frame(message)]), {}, "400"],
  [
    "bytes behind a large message",
    Buffer.concat([frame(Buffer.alloc(50_000)), message]),
    {},
    "400",
  ],
  ["a length of 4 GiB", frame(Buffer.alloc(20_000), 0, 2 ** 32 - 1), {}, "413"],
  ["a method that is not there", frame(message), { ":path": "/x.Y/Z" }, "grpc 12"],
  [
    "a health method that is not there",
    frame(message),
    { ":path": "/grpc.health.v1.Health/__proto__" },
    "grpc 12",
  ],
  [
    "a health question that is none",
    frame(Buffer.alloc(9, 0xff)),
    { ":path": "/grpc.health.v1.Health/Check" },
    "grpc 13",
  ],
  [
    "a content type that is not gRPC's",
    frame(message),
    { "content-type": "text/plain" },
    "http 415",
  ],
] as const) {
  test(`createEnvoyServer answers ${name} with ${wanted}, and a good check afterwards`, async (t) => {
    const { url, server } = await start(t);
    const session = open(t, url);
    assert.equal(await send(session, bytes, headers), wanted);
    assert.equal(await send(session, frame(message)), "200");
    assert.deepEqual([server.admission.active(), server.admission.waiting()], [0, 0]);
  });
}

test("a check is refused before its deadline, in a healthy RPC, when it does not come", async (t) => {
  const { url, calls } = await start(t);
  const stream = begin(open(t, url), { "grpc-timeout": "100m" });
  const ended = outcome(stream);
  stream.write(frame(message).subarray(0, 7));
  assert.equal(await ended, "503");
  assert.deepEqual(calls, [`${checkPath} OK`]);
});

test("1,500 streams that are reset on one connection harm no other connection", async (t) => {
  const { url, server } = await start(t);
  const session = open(t, url);
  await send(session, frame(message));
  for (let count = 0; count < 1500 && !session.destroyed; count += 1) {
    const stream = begin(session);
    stream.write(frame(Buffer.alloc(20), 0, 50_000));
    stream.close(constants.NGHTTP2_CANCEL);
  }
  assert.equal(await send(open(t, url), frame(message)), "200");
  session.destroy();
  for (let looks = 0; server.admission.active() > 0 && looks < 500; looks += 1) await delay(2);
  assert.deepEqual([server.admission.active(), server.admission.bytes()], [0, 0]);
});

test("a check that is cancelled while it is read gives its room back", async (t) => {
  const { url, server, calls } = await start(t);
  const stream = begin(open(t, url));
  stream.write(frame(Buffer.alloc(40_000), 0, 900_000));
  for (let looks = 0; server.admission.bytes() === 0 && looks < 500; looks += 1) await delay(2);
  assert.equal(server.admission.bytes(), 900_000);
  // Unlike close, it does not end the message before it resets the stream.
  stream.destroy(new Error("cancelled"));
  for (let looks = 0; server.admission.bytes() > 0 && looks < 500; looks += 1) await delay(2);
  assert.equal(server.admission.bytes(), 0);
  assert.deepEqual(calls, [`${checkPath} Canceled`]);
});
