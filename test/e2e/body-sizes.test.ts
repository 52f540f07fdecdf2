// Bodies of every size through the real Envoy, over HTTP/1.1 and HTTP/2, with the model first and last, with and without
// a content-length: rewritten exactly; and those over the limit refused.

import assert from "node:assert/strict";
import { type ClientHttp2Stream, connect, constants } from "node:http2";
import { after, before, describe, it } from "node:test";
import { type Mode, modes } from "../support/envoy-config.ts";
import { call } from "../support/http-client.ts";
import { alice, path, Stack, skip, target } from "../support/start-stack.ts";

type Answer = { readonly status: number; readonly body: string };
type Post = (port: number, body: Buffer, withLength: boolean) => Promise<Answer>;

/** One request on a connection of its own, with a content-length or chunked. */
function postHttp1(port: number, body: Buffer, withLength: boolean): Promise<Answer> {
  const headers = [
    ["content-type", "application/json"],
    ["authorization", `Bearer ${alice.value}`],
    ["x-model", "gold"],
  ] as const;
  return call({ port, path, headers, body, chunked: !withLength });
}

/** Node's client loses an answer that comes while a body written at once is on its way, as refusals of ext_proc do. */
function sendSlowly(stream: ClientHttp2Stream, body: Buffer, at = 0): void {
  const end = Math.min(at + 65_536, body.length);
  stream.write(body.subarray(at, end), () => {
    if (end < body.length) sendSlowly(stream, body, end);
    else stream.end();
  });
}

/** The same over HTTP/2. */
function postHttp2(port: number, body: Buffer, withLength: boolean): Promise<Answer> {
  const session = connect(`http://127.0.0.1:${port}`);
  return new Promise<Answer>((resolve, reject) => {
    session.on("error", reject);
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: path,
      "content-type": "application/json",
      authorization: `Bearer ${alice.value}`,
      "x-model": "gold",
      ...(withLength ? { "content-length": String(body.length) } : {}),
    });
    let status = 0;
    let text = "";
    stream.on("response", (headers) => {
      status = Number(headers[constants.HTTP2_HEADER_STATUS]);
    });
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
    });
    stream.on("error", reject);
    stream.on("end", () => resolve({ status, body: text }));
    sendSlowly(stream, body);
  }).finally(() => session.destroy());
}

function bodyOf(model: string, size: number, modelFirst: boolean): Buffer {
  const messages = `"messages":[{"role":"user","content":"${"x".repeat(size)}"}]`;
  const named = `"model": "${model}"`;
  return Buffer.from(modelFirst ? `{${named},${messages}}` : `{${messages},${named}}`);
}

const versions: readonly (readonly [string, Post])[] = [
  ["HTTP/1.1", postHttp1],
  ["HTTP/2", postHttp2],
];

/** The last is as long as the authorizer takes. */
const sizes: Readonly<Record<Mode, readonly number[]>> = {
  ext_authz: [1_000, 300_000, 1_000_000, 8_000_000],
  ext_proc: [1_000, 300_000, 8_000_000, 33_554_000],
};

for (const [mode, version, post] of modes.flatMap((each) =>
  versions.map((one) => [each, ...one] as const),
)) {
  describe(`an ${version} caller over ${mode}`, { skip }, () => {
    let stack: Stack;
    before(async () => {
      stack = await Stack.start([], mode);
    });
    after(() => stack.stop());

    for (const size of sizes[mode]) {
      for (const modelFirst of [true, false]) {
        for (const withLength of [true, false]) {
          const place = modelFirst ? "first" : "last";
          const how = withLength ? "with" : "without";
          it(`gets ${size} bytes rewritten exactly, model ${place}, ${how} content-length`, async () => {
            const body = bodyOf("AgentX-LLM", size, modelFirst);
            const answer = await post(stack.envoy.port, body, withLength);
            assert.equal(answer.status, 200, answer.body.slice(0, 500));
            const received = stack.last();
            assert.ok(received.body.equals(bodyOf(target, size, modelFirst)));
            assert.equal(received.headers["x-model"], target);
            assert.equal(received.path, path);
          });
        }
      }
    }

    for (const [size, what] of [
      [33_560_000, "over the authorizer's limit"],
      [33_690_000, "over Envoy's limit"],
    ] as const) {
      for (const withLength of [true, false]) {
        const how = withLength ? "with" : "without";
        it(`gets 413 for a body ${what}, ${how} content-length`, async () => {
          const before = stack.backend.received.length;
          const answer = await post(stack.envoy.port, bodyOf("AgentX-LLM", size, true), withLength);
          assert.equal(answer.status, 413, answer.body.slice(0, 500));
          assert.equal(JSON.parse(answer.body).error.code, "request_too_large");
          assert.equal(stack.backend.received.length, before);
        });
      }
    }
  });
}
