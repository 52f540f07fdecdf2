// What the server leaves behind and finds: socket files, watchers of its health, and calls that run while it stops.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Client, credentials } from "@grpc/grpc-js";
import { createCheckHandler } from "../../src/envoy/ext-authz/handler.ts";
import { createProcessHandler, type ProcessDeps } from "../../src/envoy/ext-proc/handler.ts";
import { createHealth } from "../../src/envoy/grpc/health.ts";
import { removeStaleSocket } from "../../src/envoy/grpc/unix-socket.ts";
import { createEnvoyServer, type EnvoyServer } from "../../src/envoy/server.ts";
import { wireCodec } from "../../src/envoy/wire.ts";

const asIs = (bytes: Buffer): Buffer => bytes;

type Made = { readonly server: EnvoyServer; readonly setServing: (serving: boolean) => void };

function make(listen: readonly string[]): Made {
  let isServing = true;
  const health = createHealth(() => isServing);
  const deps: ProcessDeps = {
    decide: () => {
      throw new Error("not asked here");
    },
    holder: { current: () => undefined },
    nowMs: () => 0,
    monotonicUs: () => 0,
    random: () => 0,
    observe: () => {},
    reportBug: () => {},
    decideHeaders: () => undefined,
  };
  const handler = createCheckHandler(deps);
  const processHandler = createProcessHandler(deps);
  const settings = {
    listen,
    bodyBytesMax: 1024,
    inFlightBytesMax: 1,
    waitingChecksMax: 0,
    concurrentStreamsMax: 10,
    socketMode: 0o600,
    connectionAgeMs: 0,
  };
  const serverDeps = {
    codec: wireCodec,
    handler,
    processHandler,
    health,
    nowMs: Date.now,
    onCallEnd: () => {},
  };
  const server = createEnvoyServer(settings, serverDeps);
  const setServing = (serving: boolean): void => {
    isServing = serving;
    health.changed();
  };
  return { server, setServing };
}

function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "aliasguard-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("listen refuses a socket on which somebody listens, and leaves it there", async (t) => {
  const path = join(tempFolder(t), "a.sock");
  const other = createServer();
  await new Promise<void>((resolve) => {
    other.listen(path, resolve);
  });
  t.after(() => other.close());
  await assert.rejects(removeStaleSocket(path), /another process listens/);
  await assert.rejects(make([`unix:${path}`]).server.listen(), /another process listens/);
});

test("listen takes the place of a socket file that a dead process left", async (t) => {
  const path = join(tempFolder(t), "a.sock");
  // A worker that is ended leaves its socket file behind, as a killed process does.
  const source = `require("node:net").createServer().listen(${JSON.stringify(path)}, () =>
    require("node:worker_threads").parentPort.postMessage("up"))`;
  const worker = new Worker(source, { eval: true });
  await new Promise((resolve) => {
    worker.once("message", resolve);
  });
  await worker.terminate();
  const { server } = make([`unix:${path}`]);
  t.after(() => server.stop(100));
  assert.deepEqual(await server.listen(), [`unix:${path}`]);
});

test("Watch tells each change once, and stop ends it without waiting for the grace", async () => {
  const { server, setServing } = make(["127.0.0.1:0"]);
  const [address = ""] = await server.listen();
  const client = new Client(address, credentials.createInsecure());
  const path = "/grpc.health.v1.Health/Watch";
  const stream = client.makeServerStreamRequest(path, asIs, asIs, Buffer.alloc(0));
  const seen: number[] = [];
  stream.on("data", (bytes: Buffer) => seen.push(bytes[1] ?? 0));
  const ended = new Promise((resolve) => {
    stream.once("end", resolve);
  });
  while (seen.length === 0) await delay(2);
  setServing(true);
  setServing(false);
  setServing(false);
  while (seen.length === 1) await delay(2);
  const stopped = server.stop(60_000);
  await ended;
  client.close();
  await stopped;
  assert.deepEqual(seen, [1, 2]);
});
