// 10,000 checks with bodies of 300 KB at once against `aliasguard serve` in a process of its own: prints the peak of its
// resident memory beside the bound on whole messages. Run by hand: node test/bench/memory.ts [checks]

import { readFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { join } from "node:path";
import { checkPath, decodeCheckResponse, encodeCheckRequest } from "../../src/envoy/wire.ts";
import { startAuthorizer } from "../support/start-authorizer.ts";

const mib = 1024 * 1024;
const checks = Number(process.argv[2] ?? 10_000);
const connections = 25;
const inFlightBytesMax = 256 * mib;

const raw_body = Buffer.from(JSON.stringify({ model: "m", input: "x".repeat(300_000) }));
const message = encodeCheckRequest({
  attributes: {
    request: {
      http: {
        method: "POST",
        path: "/v1/chat/completions",
        headers: { "content-type": "application/json", authorization: "Bearer sk-none" },
        raw_body,
      },
    },
  },
});
const head = Buffer.alloc(5);
head.writeUInt32BE(message.length, 1);
const frame = Buffer.concat([head, message]);

/** The HTTP status that the check was answered with, or the gRPC status of a failed RPC as "grpc N". */
function check(session: ClientHttp2Session): Promise<string> {
  return new Promise((resolve) => {
    const stream = session.request({
      ":method": "POST",
      ":path": checkPath,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const chunks: Buffer[] = [];
    let grpcStatus = "none";
    stream.on("response", (headers) => {
      grpcStatus = String(headers["grpc-status"] ?? grpcStatus);
    });
    stream.on("trailers", (headers) => {
      grpcStatus = String(headers["grpc-status"] ?? grpcStatus);
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", () => {});
    stream.on("close", () => {
      if (grpcStatus !== "0") resolve(`grpc ${grpcStatus}`);
      else resolve(statusOf(Buffer.concat(chunks).subarray(5)));
    });
    stream.end(frame);
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

const authorizer = await startAuthorizer({
  policy: join(import.meta.dirname, "../../deploy/envoy/policy/policy.yaml"),
  env: { ALIASGUARD_IN_FLIGHT_BYTES_MAX: String(inFlightBytesMax) },
});
const idle = memoryOf(authorizer.pid, "VmRSS");
const sessions = Array.from({ length: connections }, () => {
  // In megabytes; at the default of 10 this client, and not the server, would reset its streams.
  const session = connect(`http://127.0.0.1:${authorizer.port}`, { maxSessionMemory: 4096 });
  session.on("error", () => {});
  session.setMaxListeners(0);
  return session;
});
const startMs = performance.now();
const answers = await Promise.all(
  sessions.flatMap((session) =>
    Array.from({ length: Math.ceil(checks / connections) }, () => check(session)),
  ),
);
const seconds = (performance.now() - startMs) / 1000;
const peak = memoryOf(authorizer.pid, "VmHWM");
for (const session of sessions) session.destroy();
await authorizer.stop();

const counts = Map.groupBy(answers, (answer) => answer);
const shown = [...counts].map(([answer, all]) => `${answer}: ${all.length}`).join(", ");
const asMib = (bytes: number): string => `${Math.round(bytes / mib)} MiB`;
process.stdout.write(
  `${answers.length} checks of ${frame.length} bytes in ${seconds.toFixed(1)} s: ${shown}\n` +
    `resident memory: idle ${asMib(idle)}, peak ${asMib(peak)}, that is ` +
    `${Math.round((peak - idle) / 1024 / answers.length)} KiB for each check at once; ` +
    `bound on whole messages ${asMib(inFlightBytesMax)}\n`,
);
