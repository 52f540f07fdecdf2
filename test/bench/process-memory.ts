// What ext_proc costs in memory, against `aliasguard serve` in a process of its own: streams that wait for their bodies, and
// large bodies that are edited, read at once and by peers that read slowly. Run by hand: node test/bench/process-memory.ts

import { readFileSync } from "node:fs";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import { encodeProcessingRequest, processPath } from "../../src/envoy/process-wire.ts";
import { mintSecret, PolicyFolder } from "../support/policy-files.ts";
import { messagesOf } from "../support/process-client.ts";
import { type Authorizer, startAuthorizer } from "../support/start-authorizer.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const mib = 1024 * 1024;
const secret = mintSecret();
const folder = createTempFolder("process-memory");
new PolicyFolder(folder.path).write("policy.yaml", [
  { kind: "ModelAlias", name: "alias", spec: { alias: "alias", target: "vendor/model" } },
  {
    kind: "VirtualKey",
    name: "k",
    spec: { keyHash: secret.keyHash, grants: { models: ["vendor/model"] } },
  },
]);

function framesOf(bodyBytes: number): readonly Buffer[] {
  const text = Buffer.from(`{"model":"alias","input":"${"x".repeat(bodyBytes)}"}`);
  const messages = messagesOf({
    method: "POST",
    path: "/v1/embeddings",
    headers: new Map([
      ["authorization", `Bearer ${secret.value}`],
      ["content-type", "application/json"],
      ["content-length", String(text.length)],
      ["user-agent", "OpenAI/Python 2.1.0"],
      ["x-request-id", "c7a3b6a0-0000-4000-8000-000000000000"],
      ["x-stainless-lang", "python"],
    ]),
    body: { kind: "bytes", bytes: text, declaredBytes: undefined },
  });
  return messages.map((message) => {
    const bytes = encodeProcessingRequest(message);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  });
}

function residentBytes({ pid }: Authorizer, field: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+([0-9]+) kB`, "m").exec(status)?.[1]) * 1024;
}

function open(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 4096 });
  session.on("error", () => {});
  session.setMaxListeners(0);
  return session;
}

function begin(session: ClientHttp2Session): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": processPath,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  return stream;
}

/** Bytes of resident memory that each stream costs while it waits for its body. */
async function measureIdle(count: number): Promise<string> {
  const authorizer = await startAuthorizer({ policy: folder.path });
  const [headers] = framesOf(100);
  const sessions = Array.from({ length: Math.ceil(count / 400) }, () => open(authorizer.port));
  await delay(500);
  const before = residentBytes(authorizer, "VmRSS");
  let waiting = 0;
  for (let at = 0; at < count; at += 1) {
    const session = sessions[at % sessions.length];
    if (session === undefined) continue;
    const stream = begin(session);
    stream.write(headers);
    await new Promise((resolve) => stream.once("data", resolve));
    waiting += 1;
  }
  const after = residentBytes(authorizer, "VmRSS");
  for (const session of sessions) session.destroy();
  await authorizer.stop();
  const each = Math.round((after - before) / waiting / 1024);
  return `${waiting} streams that wait for their bodies: ${each} KiB each`;
}

/** The peak of resident memory over idle, as a multiple of the bodies that are held at once. */
async function measureBodies(
  count: number,
  bodyBytes: number,
  readDelayMs: number,
): Promise<string> {
  const authorizer = await startAuthorizer({
    policy: folder.path,
    env: { ALIASGUARD_IN_FLIGHT_BYTES_MAX: String(count * (bodyBytes + mib)) },
  });
  const [headers, body] = framesOf(bodyBytes);
  const session = open(authorizer.port);
  const before = residentBytes(authorizer, "VmRSS");
  const all = Array.from({ length: count }, async () => {
    const stream = begin(session);
    stream.write(headers);
    await new Promise((resolve) => stream.once("data", resolve));
    let bytes = 0;
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    stream.pause();
    stream.write(body);
    await delay(readDelayMs);
    stream.resume();
    await new Promise((resolve) => stream.once("close", resolve));
    return bytes;
  });
  const received = await Promise.all(all);
  const peak = residentBytes(authorizer, "VmHWM") - before;
  session.destroy();
  await authorizer.stop();
  const whole = received.filter((bytes) => bytes > bodyBytes).length;
  const multiple = (peak / (count * bodyBytes)).toFixed(2);
  const slow = readDelayMs > 0 ? `, read after ${readDelayMs} ms` : "";
  return `${count} bodies of ${bodyBytes / mib} MiB${slow}: ${whole} answered, peak ${Math.round(peak / mib)} MiB over idle, ${multiple} of the bodies`;
}

process.stdout.write(`${await measureIdle(2000)}\n`);
for (const [count, size, readDelayMs] of [
  [1, 31, 0],
  [8, 31, 0],
  [8, 31, 3000],
  [64, 1, 0],
  [64, 1, 3000],
] as const) {
  process.stdout.write(`${await measureBodies(count, size * mib, readDelayMs)}\n`);
}
folder.remove();
