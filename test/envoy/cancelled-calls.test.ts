// Callers that go while their checks run, by the thousand, on the connection of honest ones: it must not end, for every check
// on it would fail with it (grpc/grpc-node#2647, #2872). In a process of its own, so that the two ends do not take turns.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import { encodeProcessingRequest, processPath } from "../../src/envoy/ext-proc/wire.ts";
import { checkPath, decodeCheckResponse, encodeCheckRequest } from "../../src/envoy/wire.ts";
import { onProcessEnd } from "../support/process-end.ts";

/** Node's own limit ends a connection some times in so many. */
const cancels = 20_000;
const cancellers = 50;
const honest = 4;

function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const path = "/v1/chat/completions";
const small = frame(
  encodeCheckRequest({ attributes: { request: { http: { method: "POST", path } } } }),
);
const http = { method: "POST", path, raw_body: Buffer.alloc(20_000, "x") };
const large = frame(encodeCheckRequest({ attributes: { request: { http } } }));
const listed = [
  { key: ":method", raw_value: Buffer.from("POST") },
  { key: ":path", raw_value: Buffer.from(path) },
];
const headers = frame(
  encodeProcessingRequest({
    request_headers: { headers: { headers: listed } },
    protocol_config: { request_body_mode: 2 },
  }),
);

async function serve(t: TestContext): Promise<string> {
  const file = join(import.meta.dirname, "../bench/check-server.ts");
  const child = spawn(process.execPath, [file, "ours", "10"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const disarm = onProcessEnd(() => child.kill("SIGKILL"));
  t.after(() => {
    disarm();
    child.kill("SIGKILL");
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return `http://${line.toString().trim()}`;
}

function begin(session: ClientHttp2Session, callPath: string): ClientHttp2Stream {
  const stream = session.request({
    ...{ ":method": "POST", ":path": callPath, "content-type": "application/grpc" },
  });
  stream.on("error", () => {});
  return stream;
}

/** Whether the check was answered. */
function check(session: ClientHttp2Session): Promise<boolean> {
  return new Promise((resolve) => {
    const stream = begin(session, checkPath);
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.once("close", () => {
      const bytes = Buffer.concat(chunks);
      resolve(bytes.length > 5 && "denied_response" in decodeCheckResponse(bytes.subarray(5)));
    });
    stream.end(small);
  });
}

for (const [protocol, callPath, first] of [
  ["ext_authz", checkPath, large],
  ["ext_proc", processPath, headers],
] as const) {
  test(`createEnvoyServer keeps a connection on which ${cancels} calls of ${protocol} are cancelled`, {
    timeout: 30_000,
  }, async (t) => {
    const session = connect(await serve(t));
    session.on("error", () => {});
    session.setMaxListeners(0);
    t.after(() => session.destroy());
    let [left, answered] = [cancels, 0];
    const cancel = async (): Promise<void> => {
      while (left-- > 0 && !session.closed) {
        const stream = begin(session, callPath).resume();
        stream.write(first);
        if (left % 3 === 0) await turn();
        else await delay(left % 3);
        // As Envoy resets: with NO_ERROR.
        stream.destroy();
      }
    };
    const beHonest = async (): Promise<void> => {
      // A stream that is refused because too many stand is asked again, as Envoy's retries do.
      while (left > 0 && !session.closed) if (await check(session)) answered += 1;
    };
    const storm = Array.from({ length: cancellers }, cancel);
    await Promise.all([...storm, ...Array.from({ length: honest }, beHonest)]);
    assert.equal(session.closed, false, `ended with ${left} to go, ${answered} answered`);
    assert.ok(answered > 0);
  });
}
