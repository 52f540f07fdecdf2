// Calls that are taken back, and calls that may no longer be sent.

import assert from "node:assert/strict";
import { Agent, createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { callServer, readText } from "../../src/kubernetes/http-call.ts";

const agent = new Agent({ keepAlive: true });
const got: string[] = [];
let server: Server;
let url = "";

before(async () => {
  server = createServer((incoming, answer) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      got.push(`${incoming.method} ${Buffer.concat(chunks).toString("utf8")}`);
      answer.end('{"type":"ERROR"}\n');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
after(async () => {
  agent.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test("callServer survives an abort at any moment, also while its connection is given back", async () => {
  const failures: unknown[] = [];
  const note = (error: unknown): void => {
    failures.push(error);
  };
  process.on("uncaughtException", note);
  try {
    for (let turn = 0; turn < 300; turn++) {
      const done = new AbortController();
      const call = { method: "GET", url, https: { agent }, stream: true, signal: done.signal };
      const answer = await callServer(call);
      const abort = (): void => done.abort();
      const ways = [
        () => answer.once("data", abort),
        () => answer.once("data", () => process.nextTick(abort)),
        () => answer.once("data", () => queueMicrotask(abort)),
        () => answer.once("data", () => setImmediate(abort)),
        () => answer.once("end", abort),
        () => answer.once("end", () => process.nextTick(abort)),
        () => answer.once("end", () => setImmediate(abort)),
      ];
      ways[turn % ways.length]?.();
      await readText(answer).catch(() => "");
      abort();
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  } finally {
    process.off("uncaughtException", note);
  }
  assert.deepEqual(failures, []);
});

test("callServer sends nothing that may no longer be sent, on a new connection and on a kept one", async () => {
  got.length = 0;
  const body = { type: "application/json", value: { a: 1 } };
  const call = (maySend: () => boolean) => ({
    method: "PATCH",
    url,
    https: { agent },
    body,
    maySend,
  });
  for (const kept of [false, true]) {
    if (!kept) agent.destroy();
    await assert.rejects(
      callServer(call(() => false)).then(readText),
      /was not sent: this process may no longer write/,
    );
    await readText(await callServer(call(() => true)));
  }
  assert.deepEqual(got, ['PATCH {"a":1}', 'PATCH {"a":1}']);
});
