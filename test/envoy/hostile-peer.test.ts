// Peers that do not speak as Envoy does, over real sockets: whatever they send, they and everybody else get an answer.

import assert from "node:assert/strict";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { createCheckHandler } from "../../src/envoy/ext-authz/handler.ts";
import { createProcessHandler, type ProcessDeps } from "../../src/envoy/ext-proc/handler.ts";
import { createHealth } from "../../src/envoy/grpc/health.ts";
import { createEnvoyServer, type EnvoyServer } from "../../src/envoy/server.ts";
import {
  checkPath,
  decodeCheckResponse,
  encodeCheckRequest,
  wireCodec,
} from "../../src/envoy/wire.ts";

const message = encodeCheckRequest({
  attributes: { request: { http: { method: "GET", path: "/health" } } },
});

type Started = { readonly server: EnvoyServer; readonly url: string; readonly codes: string[] };

async function start(t: TestContext): Promise<Started> {
  const codes: string[] = [];
  const deps: ProcessDeps = {
    decide: () => ({
      kind: "answer",
      dialect: "openai",
      operation: "health",
      key: undefined,
      team: undefined,
      requestedModel: undefined,
      revision: undefined,
      status: 200,
      body: "",
    }),
    holder: { current: () => undefined },
    nowMs: () => 0,
    monotonicUs: () => 0,
    random: () => 0,
    observe: () => {},
    reportBug: (error) => {
      throw error;
    },
    decideHeaders: () => undefined,
  };
  const handler = createCheckHandler(deps);
  const processHandler = createProcessHandler(deps);
  const server = createEnvoyServer(
    {
      listen: ["127.0.0.1:0"],
      bodyBytesMax: 1024 * 1024,
      inFlightBytesMax: 1024 * 1024,
      waitingChecksMax: 100,
      concurrentStreamsMax: 900,
      socketMode: 0o600,
      connectionAgeMs: 0,
    },
    {
      codec: wireCodec,
      handler,
      processHandler,
      health: createHealth(() => true),
      nowMs: Date.now,
      onCallEnd: (_path, code) => codes.push(code),
    },
  );
  t.after(() => server.stop(100));
  const [address = ""] = await server.listen();
  return { server, url: `http://${address}`, codes };
}

function open(t: TestContext, url: string): ClientHttp2Session {
  const session = connect(url);
  session.on("error", () => {});
  t.after(() => session.destroy());
  return session;
}

function begin(session: ClientHttp2Session, more: Record<string, string> = {}): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": checkPath,
    "content-type": "application/grpc",
    te: "trailers",
    ...more,
  });
  stream.on("error", () => {});
  return stream;
}

function frame(bytes: Buffer, flag = 0, length = bytes.length): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, bytes]);
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
  const { url, codes } = await start(t);
  const stream = begin(open(t, url), { "grpc-timeout": "100m" });
  const ended = outcome(stream);
  stream.write(frame(message).subarray(0, 7));
  assert.equal(await ended, "503");
  assert.deepEqual(codes, ["OK"]);
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
  const { url, server, codes } = await start(t);
  const stream = begin(open(t, url));
  stream.write(frame(Buffer.alloc(40_000), 0, 900_000));
  for (let looks = 0; server.admission.bytes() === 0 && looks < 500; looks += 1) await delay(2);
  assert.equal(server.admission.bytes(), 900_000);
  // Unlike close, it does not end the message before it resets the stream.
  stream.destroy(new Error("cancelled"));
  for (let looks = 0; server.admission.bytes() > 0 && looks < 500; looks += 1) await delay(2);
  assert.equal(server.admission.bytes(), 0);
  assert.deepEqual(codes, ["Canceled"]);
});
