// The server over real sockets, with a real grpc-js client and with hand-made HTTP/2 streams.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { ClientHttp2Session } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { createHealth } from "../../src/envoy/grpc/health.ts";
import type { EnvoyServerSettings } from "../../src/envoy/server.ts";
import {
  checkPath,
  decodeCheckResponse,
  encodeCheckRequest,
  type WireCheckResponse,
} from "../../src/envoy/wire.ts";
import { begin, frame, handlerDeps, open, probe, type Started, startServer } from "./grpc-peer.ts";

const kib = 1024;
const asIs = (bytes: Buffer): Buffer => bytes;
const raw_body = Buffer.alloc(300 * kib, 0x20);
const bodyCheck = encodeCheckRequest({
  attributes: { request: { http: { method: "POST", path: "/", raw_body } } },
});
const smallCheck = encodeCheckRequest({
  attributes: { request: { http: { method: "GET", path: "/health" } } },
});

type Watched = Started & {
  readonly most: () => number;
  readonly setServing: (serving: boolean) => void;
};

async function start(t: TestContext, more: Partial<EnvoyServerSettings> = {}): Promise<Watched> {
  let isServing = true;
  let most = 0;
  const health = createHealth(() => isServing);
  const deps = handlerDeps(() => {
    most = Math.max(most, started.server.admission.active());
    return probe;
  });
  const sizes = { bodyBytesMax: 512 * kib, inFlightBytesMax: 16 * kib * kib };
  const settings = { ...sizes, waitingChecksMax: 1000, socketMode: 0o666, ...more };
  const started = await startServer(t, { deps, settings, health });
  const setServing = (serving: boolean): void => {
    isServing = serving;
    health.changed();
  };
  return { ...started, most: () => most, setServing };
}

function clientOf(t: TestContext, address: string | undefined): Client {
  assert.ok(address !== undefined);
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  t.after(() => client.close());
  return client;
}

function call(client: Client, bytes: Buffer, path = checkPath): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, asIs, asIs, bytes, (error, value) => {
      if (error === null && value !== undefined) resolve(value);
      else reject(error ?? new Error("no answer"));
    });
  });
}

async function check(client: Client, bytes: Buffer): Promise<WireCheckResponse> {
  return decodeCheckResponse(await call(client, bytes));
}

function statusOf(response: WireCheckResponse): number | undefined {
  return "denied_response" in response ? response.denied_response.status.code : undefined;
}

function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "aliasguard-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A check that begins and does not end: it promises `length` bytes, and 10,000 of them come. */
function beginCheck(
  t: TestContext,
  address: string | undefined,
  length: number,
): ClientHttp2Session {
  const session = open(t, `http://${address ?? ""}`);
  begin(session).write(frame(Buffer.alloc(10_000), 0, length));
  return session;
}

/** Looks every few milliseconds; fails after far longer than a loaded machine needs. */
async function until(isTrue: () => boolean): Promise<void> {
  for (let looks = 0; !isTrue(); looks += 1) {
    assert.ok(looks < 2000, "it never came true");
    await delay(5);
  }
}

test("createEnvoyServer answers checks on TCP and on a Unix socket with the mode asked for", async (t) => {
  const path = join(tempFolder(t), "a.sock");
  const { addresses } = await start(t, {
    listen: ["127.0.0.1:0", `unix:${path}`],
    socketMode: 0o660,
  });
  assert.doesNotMatch(addresses[0] ?? "", /:0$/);
  assert.equal(addresses[1], `unix:${path}`);
  for (const address of addresses) {
    assert.equal(statusOf(await check(clientOf(t, address), bodyCheck)), 200);
  }
  assert.equal(statSync(path).mode & 0o777, 0o660);
});

test("listen refuses an address in use and a path that is no socket", async (t) => {
  const { addresses } = await start(t);
  await assert.rejects(start(t, { listen: [addresses[0] ?? ""] }), /cannot listen on/);
  const file = join(tempFolder(t), "file");
  writeFileSync(file, "keep me");
  await assert.rejects(start(t, { listen: [`unix:${file}`] }), /is not a socket/);
  assert.equal(statSync(file).size, 7);
});

test("garbage in a check is a denied_response in a healthy RPC", async (t) => {
  const { addresses, calls } = await start(t);
  const response = await check(clientOf(t, addresses[0]), Buffer.from([0xff, 0xff, 0xff]));
  assert.equal(statusOf(response), 400);
  assert.ok(response.status.code > 0);
  assert.deepEqual(calls, [`${checkPath} OK`]);
});

test("a message over the limit is a 413 in a healthy RPC, unread", async (t) => {
  const { addresses } = await start(t);
  const client = clientOf(t, addresses[0]);
  assert.equal(statusOf(await check(client, Buffer.alloc(2 * kib * kib))), 413);
  assert.equal(statusOf(await check(client, bodyCheck)), 200);
});

test("400 checks of 300 KiB at once are all answered and never more read than the bound allows", async (t) => {
  const { addresses, most, server } = await start(t);
  const client = clientOf(t, addresses[0]);
  const all = await Promise.all(Array.from({ length: 400 }, () => check(client, bodyCheck)));
  assert.deepEqual(new Set(all.map(statusOf)), new Set([200]));
  // 16 MiB over messages of 300 KiB and a little.
  assert.ok(most() >= 1 && most() <= 54, String(most()));
  await until(() => server.admission.active() === 0);
  assert.equal(server.admission.waiting(), 0);
});

test("a check without a slot or a place in the queue is refused as overloaded in a healthy RPC", async (t) => {
  const { addresses, server, calls } = await start(t, { inFlightBytesMax: 1, waitingChecksMax: 0 });
  const session = beginCheck(t, addresses[0], 100_000);
  await until(() => server.admission.active() === 1);
  const client = clientOf(t, addresses[0]);
  const response = await check(client, smallCheck);
  assert.equal(statusOf(response), 503);
  assert.ok(response.status.code > 0);
  assert.deepEqual(calls, [`${checkPath} OK`]);
  session.destroy();
  await until(() => server.admission.active() === 0);
  assert.equal(statusOf(await check(client, smallCheck)), 200);
});

test("streams that are reset give their slots back, and the process goes on", async (t) => {
  const { addresses, server } = await start(t, { inFlightBytesMax: 1, waitingChecksMax: 500 });
  const sessions = Array.from({ length: 50 }, () => beginCheck(t, addresses[0], 100_000));
  await until(() => server.admission.active() === 1 && server.admission.waiting() === 49);
  for (const session of sessions) session.destroy();
  assert.equal(statusOf(await check(clientOf(t, addresses[0]), smallCheck)), 200);
  await until(() => server.admission.active() === 0 && server.admission.waiting() === 0);
});

test("Health says SERVING, then NOT_SERVING, and NOT_FOUND for a service that is not there", async (t) => {
  const { addresses, setServing } = await start(t);
  const client = clientOf(t, addresses[0]);
  const ask = (service: string): Promise<Buffer> =>
    call(
      client,
      Buffer.concat([Buffer.from([0x0a, service.length]), Buffer.from(service)]),
      "/grpc.health.v1.Health/Check",
    );
  const service = "envoy.service.auth.v3.Authorization";
  assert.deepEqual(await ask(service), Buffer.from([0x08, 1]));
  setServing(false);
  assert.deepEqual(await ask(service), Buffer.from([0x08, 2]));
  assert.deepEqual(await ask(""), Buffer.from([0x08, 2]));
  const isNotFound = (error: ServiceError): boolean => error.code === 5;
  await assert.rejects(ask("__proto__"), isNotFound);
});
