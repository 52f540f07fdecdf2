// `aliasguard serve` whose standard output takes nothing: a pipe that nobody reads, and a device that is full. Checks go on,
// the lines lost are counted, and SIGTERM ends it in time.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { checkPath, decodeCheckResponse, encodeCheckRequest } from "../../../src/envoy/wire.ts";
import { onProcessEnd } from "../../support/process-end.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { chat, goodPolicy } from "./serve-process.ts";

/** As many as fill a pipe and what is held for its reader, a line each. */
const checks = 6000;
const patienceMs = 20_000;

/** SIGTERM to the end of the process: what server and sources take without a check that runs, and a margin. */
const endMsMax = 4000;

const mib = 1024 * 1024;

type Served = {
  readonly child: ChildProcess;
  readonly session: ClientHttp2Session;
  readonly admin: string;
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Starts it on a standard output that says nothing, and waits until it answers. */
async function serve(t: TestContext, stdout: "pipe" | number): Promise<Served> {
  const folder = createTempFolder("serve-output");
  t.after(() => folder.remove());
  const policy = join(folder.path, "policy.yaml");
  const socketPath = join(folder.path, "socket");
  writeFileSync(policy, goodPolicy);
  const admin = `127.0.0.1:${await freePort()}`;
  const main = join(import.meta.dirname, "../../../src/main.ts");
  const child = spawn(
    process.execPath,
    [main, "serve", "--policy", policy, "--listen", `unix:${socketPath}`, "--admin", admin],
    {
      stdio: ["ignore", stdout, "inherit"],
      env: { ...process.env, ALIASGUARD_DRAIN_DELAY_MS: "0" },
    },
  );
  const disarm = onProcessEnd(() => child.kill("SIGKILL"));
  t.after(() => {
    disarm();
    child.kill("SIGKILL");
  });
  await answering(`http://${admin}/readyz`);
  const session = connectHttp2("http://authorizer", {
    createConnection: () => connect(socketPath),
  });
  session.on("error", () => {});
  t.after(() => session.destroy());
  return { child, session, admin };
}

async function answering(url: string): Promise<void> {
  for (const endMs = Date.now() + patienceMs; Date.now() < endMs; await delay(50)) {
    const isReady = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
  }
  assert.fail(`${url} does not answer`);
}

const message = encodeCheckRequest({ attributes: { request: { http: chat("AgentX-LLM") } } });
const frame = Buffer.concat([
  Buffer.from([0, 0, 0, message.length >> 8, message.length & 255]),
  message,
]);

function check(session: ClientHttp2Session): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ...{ ":method": "POST", ":path": checkPath, "content-type": "application/grpc" },
    });
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.once("error", reject);
    stream.once("end", () => {
      resolve("ok_response" in decodeCheckResponse(Buffer.concat(chunks).subarray(5)));
    });
    stream.end(frame);
  });
}

async function ask(session: ClientHttp2Session, count: number): Promise<number> {
  let [left, allowed] = [count, 0];
  const worker = async (): Promise<void> => {
    while (left-- > 0) if (await check(session)) allowed += 1;
  };
  await Promise.all(Array.from({ length: 20 }, worker));
  return allowed;
}

async function droppedLines(admin: string): Promise<number> {
  const text = await fetch(`http://${admin}/metrics`).then((response) => response.text());
  return Number(/^aliasguard_log_lines_dropped_total (\d+)$/m.exec(text)?.[1]);
}

function residentBytes({ pid }: ChildProcess): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

/** Milliseconds from SIGTERM to the end of the process, which must be its own. */
async function end(child: ChildProcess): Promise<number> {
  const startMs = performance.now();
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const [code, signal] = (await Promise.race([exited, delay(endMsMax, ["late", ""])])) as unknown[];
  assert.deepEqual([code, signal], [0, null]);
  return performance.now() - startMs;
}

test("serve answers every check and ends in time while nobody reads the pipe of its log", async (t) => {
  const { child, session, admin } = await serve(t, "pipe");
  assert.equal(await ask(session, checks), checks);
  assert.ok((await droppedLines(admin)) > 0);
  const before = residentBytes(child);
  assert.equal(await ask(session, checks), checks);
  assert.ok(residentBytes(child) - before < 64 * mib, "what is held is bounded");
  await end(child);
});

test("serve answers every check and ends in time while its log is a full device", async (t) => {
  const full = openSync("/dev/full", "w");
  t.after(() => closeSync(full));
  const { child, session, admin } = await serve(t, full);
  assert.equal(await ask(session, 100), 100);
  // A line each, and those of the start.
  assert.ok((await droppedLines(admin)) > 100);
  await end(child);
});

test("serve tells of the lines that it dropped once its log is read again", async (t) => {
  const { child, session, admin } = await serve(t, "pipe");
  assert.equal(await ask(session, checks), checks);
  assert.ok((await droppedLines(admin)) > 0);
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  await delay(500);
  assert.equal(await ask(session, 1), 1);
  await end(child);
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { msg: string });
  assert.equal(lines.filter(({ msg }) => msg === "log lines dropped").length, 1);
  assert.equal(lines.at(-1)?.msg, "stopped");
});
