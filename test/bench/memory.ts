// Checks of 300 KB at once against `aliasguard serve` in a process of its own, honest ones and ones that stall before
// their end: the peak of its resident memory beside the stated bound. Exit 1 when it is exceeded. Run by hand:
// node test/bench/memory.ts [checks]

import { readFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { heldBytesMax } from "../../src/envoy/grpc/admission.ts";
import { receiveBytesMax } from "../../src/envoy/server.ts";
import { checkPath, decodeCheckResponse, encodeCheckRequest } from "../../src/envoy/wire.ts";
import { startAuthorizer } from "../support/start-authorizer.ts";

const mib = 1024 * 1024;

/** What the runtime takes more than idle while it works: code it compiles, and garbage not yet collected. */
const workingBytes = 64 * mib;

export type Flood = {
  readonly checks: number;
  readonly inFlightBytesMax: number;
  readonly waitingChecksMax: number;
  /** All but the last byte is sent, and then nothing for `holdMs`. */
  readonly isStalling: boolean;
  readonly holdMs: number;
};

export type Measured = {
  readonly answers: ReadonlyMap<string, number>;
  readonly seconds: number;
  readonly idleBytes: number;
  readonly peakBytes: number;
  readonly boundBytes: number;
  /** The answer to an honest small check while the flood stands. */
  readonly meanwhile: string;
};

const raw_body = Buffer.from(JSON.stringify({ model: "m", input: "x".repeat(300_000) }));
const frameOf = (body: Buffer | undefined): Buffer => {
  const headers = { "content-type": "application/json", authorization: "Bearer sk-none" };
  const http = { method: "POST", path: "/v1/chat/completions", headers };
  const message = encodeCheckRequest({
    attributes: { request: { http: body === undefined ? http : { ...http, raw_body: body } } },
  });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};
const largeFrame = frameOf(raw_body);
const smallFrame = frameOf(Buffer.from('{"model":"m"}'));

/** The HTTP status that the check was answered with, or the gRPC status of a failed RPC as "grpc N". */
function check(session: ClientHttp2Session, frame: Buffer, isWhole = true): Promise<string> {
  return new Promise((resolve) => {
    const stream = session.request({
      ":method": "POST",
      ":path": checkPath,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const chunks: Buffer[] = [];
    let grpcStatus = "none";
    const read = (headers: Record<string, unknown>): void => {
      grpcStatus = String(headers["grpc-status"] ?? grpcStatus);
    };
    stream.on("response", read);
    stream.on("trailers", read);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", () => {});
    stream.on("close", () => {
      if (grpcStatus !== "0") resolve(`grpc ${grpcStatus}`);
      else resolve(statusOf(Buffer.concat(chunks).subarray(5)));
    });
    if (isWhole) stream.end(frame);
    else stream.write(frame.subarray(0, -1));
  });
}

function statusOf(bytes: Buffer): string {
  const response = decodeCheckResponse(bytes);
  return "denied_response" in response ? `${response.denied_response.status.code}` : "allowed";
}

function memoryOf(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+([0-9]+) kB`, "m").exec(status)?.[1]) * 1024;
}

function open(port: number): ClientHttp2Session {
  // In megabytes; at the default of 10 this client, and not the server, would reset its streams.
  const session = connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 4096 });
  session.on("error", () => {});
  session.setMaxListeners(0);
  return session;
}

/** Floods an authorizer of its own and gives what that cost. */
export async function measureMemory(flood: Flood): Promise<Measured> {
  const { checks, inFlightBytesMax, waitingChecksMax, isStalling, holdMs } = flood;
  const authorizer = await startAuthorizer({
    policy: join(import.meta.dirname, "../../deploy/envoy/policy/policy.yaml"),
    env: {
      ALIASGUARD_IN_FLIGHT_BYTES_MAX: String(inFlightBytesMax),
      ALIASGUARD_WAITING_CHECKS_MAX: String(waitingChecksMax),
    },
  });
  const other = open(authorizer.port);
  await check(other, smallFrame);
  const idleBytes = memoryOf(authorizer.pid, "VmRSS");
  const sessions = Array.from({ length: Math.ceil(checks / 400) }, () => open(authorizer.port));
  const startMs = performance.now();
  const calls = Array.from({ length: checks }, (_, at) => {
    const session = sessions[at % sessions.length] ?? other;
    return check(session, largeFrame, !isStalling);
  });
  await delay(holdMs);
  const meanwhile = await check(other, smallFrame);
  if (isStalling) for (const session of sessions) session.destroy();
  const answers = await Promise.all(calls);
  const seconds = (performance.now() - startMs) / 1000;
  const peakBytes = memoryOf(authorizer.pid, "VmHWM");
  for (const session of [...sessions, other]) session.destroy();
  await authorizer.stop();
  const limits = { bytesMax: inFlightBytesMax, waitingMax: waitingChecksMax };
  const held = heldBytesMax(limits, receiveBytesMax(32 * mib));
  const counts = [...Map.groupBy(answers, (answer) => answer)].map(
    ([answer, all]) => [answer, all.length] as const,
  );
  const boundBytes = idleBytes + workingBytes + held;
  return { answers: new Map(counts), seconds, idleBytes, peakBytes, boundBytes, meanwhile };
}

const asMib = (bytes: number): string => `${Math.round(bytes / mib)} MiB`;

if (process.argv[1] === import.meta.filename) {
  const checks = Number(process.argv[2] ?? 10_000);
  const limits = { checks, inFlightBytesMax: 256 * mib, waitingChecksMax: checks };
  for (const flood of [
    { ...limits, isStalling: false, holdMs: 0 },
    { ...limits, isStalling: true, holdMs: 5000 },
  ]) {
    const measured = await measureMemory(flood);
    const { answers, seconds, idleBytes, peakBytes, boundBytes, meanwhile } = measured;
    const shown = [...answers].map(([answer, count]) => `${answer}: ${count}`).join(", ");
    const what = flood.isStalling ? "stalled checks" : "checks";
    process.stdout.write(
      `${checks} ${what} of ${largeFrame.length} bytes in ${seconds.toFixed(1)} s: ${shown}; ` +
        `a small one meanwhile: ${meanwhile}\nresident memory: idle ${asMib(idleBytes)}, ` +
        `peak ${asMib(peakBytes)}, bound ${asMib(boundBytes)}\n`,
    );
    if (peakBytes > boundBytes) process.exitCode = 1;
  }
}
