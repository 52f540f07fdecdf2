// Frames as they go over the wire: a request that was read to its end is answered without a reset, which would cost the server
// and Envoy some microseconds each; one that was not is told to stop sending.

import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { type AddressInfo, connect, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { checkPath, encodeCheckRequest } from "../../../src/envoy/wire.ts";
import { handlerDeps, probe, startServer } from "../grpc-peer.ts";

const resetFrame = 3;

type Tap = {
  readonly url: string /** Kinds of the frames that the server has sent. */;
  readonly kinds: number[];
};

/** A server behind a proxy that reads along. */
async function tap(t: TestContext): Promise<Tap> {
  const deps = handlerDeps(() => probe);
  const settings = { inFlightBytesMax: 2 ** 24 };
  const { url: target } = await startServer(t, { deps, settings });
  const kinds: number[] = [];
  const proxy = createServer((socket) => {
    const server = connect(Number(new URL(target).port), "127.0.0.1");
    socket.on("error", () => server.destroy());
    server.on("error", () => socket.destroy());
    socket.pipe(server);
    server.pipe(socket);
    let received = Buffer.alloc(0);
    server.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 9 && received.length >= 9 + received.readUIntBE(0, 3)) {
        kinds.push(received.readUInt8(3));
        received = received.subarray(9 + received.readUIntBE(0, 3));
      }
    });
  });
  t.after(() => proxy.close());
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, kinds };
}

/** Sends the bytes, and ends the request or leaves it open. Resolves with the length of the answer when the stream is closed. */
function send(t: TestContext, url: string, bytes: Buffer, isWhole: boolean): Promise<number> {
  const session = connectHttp2(url);
  session.on("error", () => {});
  t.after(() => session.destroy());
  const stream = session.request({
    ...{ ":method": "POST", ":path": checkPath, "content-type": "application/grpc" },
  });
  let length = 0;
  stream.on("data", (chunk: Buffer) => {
    length += chunk.length;
  });
  stream.on("error", () => {});
  if (isWhole) stream.end(bytes);
  else stream.write(bytes);
  return new Promise((resolve) => stream.once("close", () => resolve(length)));
}

const message = encodeCheckRequest({
  attributes: { request: { http: { method: "POST", path: "/", raw_body: Buffer.alloc(100_000) } } },
});

function frame(bytes: Buffer, length = bytes.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, bytes]);
}

test("createEnvoyServer resets no stream whose request has ended", async (t) => {
  const { url, kinds } = await tap(t);
  for (let count = 0; count < 5; count += 1) {
    assert.ok((await send(t, url, frame(message), true)) > 5);
  }
  assert.ok(kinds.length > 5);
  assert.equal(kinds.includes(resetFrame), false);
});

test("createEnvoyServer resets a stream that is answered before its request has ended", async (t) => {
  const { url, kinds } = await tap(t);
  assert.ok((await send(t, url, frame(Buffer.alloc(20_000), 2 ** 31), false)) > 5);
  assert.equal(kinds.filter((kind) => kind === resetFrame).length, 1);
});
