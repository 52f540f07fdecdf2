// What ext_proc costs in memory, against `aliasguard serve` in a process of its own: streams that wait for their bodies or for
// more of their responses, and large bodies that are edited, read at once and by peers that read slowly. Run by hand: node test/bench/process-memory.ts

import { readFileSync } from "node:fs";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import {
  encodeProcessingRequest,
  processPath,
  type WireProcessingRequest,
} from "../../src/envoy/ext-proc/wire.ts";
import { type Manifest, mintSecret, PolicyFolder } from "../support/policy-files.ts";
import { messagesOf } from "../support/process-client.ts";
import { type Authorizer, startAuthorizer } from "../support/start-authorizer.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const mib = 1024 * 1024;
const secret = mintSecret();
const manifests: readonly Manifest[] = [
  { kind: "ModelAlias", name: "alias", spec: { alias: "alias", target: "vendor/model" } },
  {
    kind: "VirtualKey",
    name: "k",
    spec: { keyHash: secret.keyHash, grants: { models: ["vendor/model"] } },
  },
];

async function start(inFlightBytesMax: number, more: readonly string[] = []): Promise<Authorizer> {
  const folder = createTempFolder("process-memory");
  new PolicyFolder(folder.path).write("policy.yaml", manifests);
  try {
    const args = ["--in-flight-bytes-max", String(inFlightBytesMax), ...more];
    return await startAuthorizer({ policy: folder.path, args });
  } finally {
    // It has read the policy, and keeps it.
    folder.remove();
  }
}

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
  return messages.map(frame);
}

function frame(message: WireProcessingRequest): Buffer {
  const bytes = encodeProcessingRequest(message);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** The beginning of a stream of tokens, cut in the model's name so that some of it is held. */
const responseFrames = [
  frame({
    response_headers: {
      headers: {
        headers: [
          { key: ":status", raw_value: Buffer.from("200") },
          { key: "content-type", raw_value: Buffer.from("text/event-stream") },
        ],
      },
    },
  }),
  frame({ response_body: { body: Buffer.from('data: {"model":"vendor/model"}\n\ndata: {"mod') } }),
];

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
export function measureIdle(count: number): Promise<number> {
  return measureStreams(count, framesOf(100).slice(0, 1), []);
}

/** The same of each stream in the middle of its response, which is read and rewritten. */
export function measureResponses(count: number): Promise<number> {
  const frames = [...framesOf(100), ...responseFrames];
  return measureStreams(count, frames, ["--response-model", "requested"]);
}

/** Each frame is sent when the one before has been answered. */
async function measureStreams(
  count: number,
  frames: readonly Buffer[],
  args: readonly string[],
): Promise<number> {
  const authorizer = await start(256 * mib, args);
  const sessions = Array.from({ length: Math.ceil(count / 400) }, () => open(authorizer.port));
  await delay(500);
  const before = residentBytes(authorizer, "VmRSS");
  let waiting = 0;
  for (let at = 0; at < count; at += 1) {
    const session = sessions[at % sessions.length];
    if (session === undefined) continue;
    const stream = begin(session);
    for (const each of frames) {
      stream.write(each);
      await new Promise((resolve) => stream.once("data", resolve));
    }
    waiting += 1;
  }
  const after = residentBytes(authorizer, "VmRSS");
  for (const session of sessions) session.destroy();
  await authorizer.stop();
  return (after - before) / waiting;
}

export type MeasuredBodies = {
  /** Streams whose edited body came back whole. */
  readonly answered: number;
  /** The peak of resident memory over idle. */
  readonly peakBytes: number;
};

/** So many bodies at once, each edited; their answers are not read for `readDelayMs`. */
export async function measureBodies(
  count: number,
  bodyBytes: number,
  readDelayMs: number,
): Promise<MeasuredBodies> {
  const authorizer = await start(count * (bodyBytes + mib));
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
  const peakBytes = residentBytes(authorizer, "VmHWM") - before;
  session.destroy();
  await authorizer.stop();
  return { answered: received.filter((bytes) => bytes > bodyBytes).length, peakBytes };
}

async function main(): Promise<void> {
  const each = await measureIdle(2000);
  process.stdout.write(
    `2000 streams that wait for their bodies: ${Math.round(each / 1024)} KiB each\n`,
  );
  const reading = await measureResponses(2000);
  process.stdout.write(`2000 responses that are read: ${Math.round(reading / 1024)} KiB each\n`);
  for (const [count, size, readDelayMs] of [
    [1, 31, 0],
    [8, 31, 0],
    [8, 31, 3000],
    [64, 1, 0],
    [64, 1, 3000],
  ] as const) {
    const { answered, peakBytes } = await measureBodies(count, size * mib, readDelayMs);
    const slow = readDelayMs > 0 ? `, read after ${readDelayMs} ms` : "";
    const multiple = (peakBytes / (count * size * mib)).toFixed(2);
    process.stdout.write(
      `${count} bodies of ${size} MiB${slow}: ${answered} answered, peak ` +
        `${Math.round(peakBytes / mib)} MiB over idle, ${multiple} of the bodies\n`,
    );
  }
}

if (process.argv[1] === import.meta.filename) await main();
