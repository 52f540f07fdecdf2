// Whole checks per second of one server process, as ratios to a bare node:http2 responder, measured in turns in one run.
// Run: npm run bench

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { join } from "node:path";
import { checkPath, encodeCheckRequest } from "../../src/envoy/wire.ts";

const connections = 4;
const streamsEach = 10;
const rounds = 7;

type Served = { readonly child: ChildProcess; readonly sessions: readonly ClientHttp2Session[] };

async function serve(args: readonly string[]): Promise<Served> {
  const file = join(import.meta.dirname, "check-server.ts");
  const child = spawn(process.execPath, [file, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const origin = `http://${line.toString().trim()}`;
  const sessions = Array.from({ length: connections }, () => connect(origin));
  return { child, sessions };
}

function frameOf(bodyBytes: number): Buffer {
  const content = "The quick brown fox jumps over the lazy dog. ".repeat(Math.ceil(bodyBytes / 45));
  const body = Buffer.from(
    JSON.stringify({
      model: "alias",
      messages: [{ role: "user", content: content.slice(0, bodyBytes) }],
    }),
  );
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "content-length": String(body.length),
    authorization: `Bearer bench-secret-${"0".repeat(20)}-0`,
  };
  for (let at = 0; at < 19; at++) headers[`x-filler-${at}`] = "some honest value of a header";
  const path = "/v1/chat/completions";
  const http = { method: "POST", path, headers, size: body.length, raw_body: body };
  const message = encodeCheckRequest({ attributes: { request: { http } } });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function call(session: ClientHttp2Session, frame: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": checkPath,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => resolve(Buffer.concat(chunks)));
    stream.end(frame);
  });
}

/** Checks per second; each stream begins its next check when the last has ended. */
async function rate({ sessions }: Served, frame: Buffer, checks: number): Promise<number> {
  let left = checks;
  const worker = async (session: ClientHttp2Session): Promise<void> => {
    while (left-- > 0) await call(session, frame);
  };
  const start = performance.now();
  const workers = sessions.flatMap((session) =>
    Array.from({ length: streamsEach }, () => worker(session)),
  );
  await Promise.all(workers);
  return (checks * 1000) / (performance.now() - start);
}

function shown(ratios: readonly number[]): string {
  const sorted = [...ratios].sort((a, b) => a - b);
  const at = (index: number): string => sorted[index]?.toFixed(2) ?? "?";
  return `${at(Math.floor(rounds / 2))} (${at(0)} to ${at(rounds - 1)})`;
}

const few = await serve(["ours", "10"]);
const many = await serve(["ours", "10000"]);
const raw = await serve(["raw"]);
process.stdout.write("whole checks per second as ratios, median and spread of 7 rounds\n");
for (const [kib, checks] of [
  [8, 2000],
  [128, 400],
  [1024, 60],
] as const) {
  const frame = frameOf(kib * 1024);
  const [session] = few.sessions;
  if (session === undefined || !(await call(session, frame)).includes("x-model")) {
    throw new Error("the check was not allowed");
  }
  const toRaw: number[] = [];
  const toFew: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const [a, b, c] = [
      await rate(raw, frame, checks),
      await rate(few, frame, checks),
      await rate(many, frame, checks),
    ];
    if (round === 0) continue; // warms up
    toRaw.push(b / a);
    toFew.push(c / b);
  }
  process.stdout.write(
    `  ${kib} KB: against raw ${shown(toRaw)}; 10,000 keys against 10 ${shown(toFew)}\n`,
  );
}
for (const { child, sessions } of [few, many, raw]) {
  for (const session of sessions) session.destroy();
  child.kill();
}
