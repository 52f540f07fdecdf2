// Responses in whose middle the authorizer goes, or Envoy answers itself, through the real Envoy with ext_proc: a clean end
// lets the rest go on as it is, a kill cuts it, and Envoy's own answers stay its own.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { sse } from "../core/response/samples.ts";
import { bufferLimit } from "../support/envoy-config.ts";
import { alias, type Got, pieces, ResponseStack, until } from "../support/response-stack.ts";
import { alice, skip, target } from "../support/start-stack.ts";

const event = (model: string, at: number): string =>
  `data: {"object":"chat.completion.chunk","model":"${model}","choices":[],"at":${at}}\n\n`;
const events = (count: number): readonly Buffer[] =>
  Array.from({ length: count }, (_, at) => Buffer.from(event(target, at)));

/** Longer than the authorizer waits for running streams, in milliseconds. */
const answerMs = 13_000;
const delayMs = 50;

describe("an authorizer that is told to stop in the middle of responses", { skip }, () => {
  async function drained(model: "count" | "requested"): Promise<readonly [Got, unknown]> {
    const stack = await ResponseStack.start({ model });
    const asked = stack.ask(pieces(sse, events(answerMs / delayMs), { delayMs }));
    await new Promise((resolve) => setTimeout(resolve, 500));
    stack.authorizer.signal("SIGTERM");
    const exit = await stack.authorizer.exited;
    const got = await asked;
    await stack.stop();
    return [got, exit];
  }

  it("reads them while it may, then lets the rest go on as it is, every byte of it", async () => {
    const modes = ["count", "requested"] as const;
    const [counted, requested] = await Promise.all(modes.map(drained));
    assert.ok(counted !== undefined && requested !== undefined);
    for (const [{ status, isWhole }, exit] of [counted, requested]) {
      assert.deepEqual([status, isWhole], [200, true]);
      assert.deepEqual(exit, { code: 0, signal: undefined });
    }
    const all = Buffer.concat(events(answerMs / delayMs)).toString();
    assert.equal(counted[0].body.toString(), all);
    const text = requested[0].body.toString();
    const shown = text.split(`"${alias}"`).length - 1;
    assert.ok(shown > 9_000 / delayMs && shown < answerMs / delayMs, `${shown} were rewritten`);
    const wanted = events(answerMs / delayMs)
      .map((_, at) => event(at < shown ? alias : target, at))
      .join("");
    assert.equal(text, wanted);
  });
});

describe("an authorizer that is killed in the middle of a response", { skip }, () => {
  it("cuts it, which the caller sees, and nothing is sent in its place", async () => {
    const stack = await ResponseStack.start({ model: "requested" });
    let chunks = 0;
    const got = await stack.ask(pieces(sse, events(100), { delayMs }), {
      onChunk: () => {
        chunks += 1;
        if (chunks === 5) stack.authorizer.signal("SIGKILL");
        return false;
      },
    });
    assert.deepEqual([got.status, got.isWhole], [200, false]);
    assert.ok(got.body.toString().startsWith(event(alias, 0)));
    assert.ok(got.body.length < Buffer.concat(events(100)).length);
    await stack.stop();
  });
});

describe("Envoy's own answers while the body is waited for", { skip }, () => {
  it("stay as they are, and are no decision", async () => {
    const stack = await ResponseStack.start({
      model: "requested",
      changes: [bufferLimit(100_000)],
    });
    const socket = connect(stack.envoy.port, "127.0.0.1");
    const head = [
      "POST /v1/chat/completions HTTP/1.1",
      "host: a",
      "content-type: application/json",
      `authorization: Bearer ${alice.value}`,
      "content-length: 3000000",
    ].join("\r\n");
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", () => {});
    socket.write(`${head}\r\n\r\n{"model":"${alias}","x":"`);
    await new Promise((resolve) => setTimeout(resolve, 200));
    socket.write("x".repeat(2_900_000));
    const received = (): string => Buffer.concat(chunks).toString();
    await until(() => received().includes("request_too_large"));
    socket.destroy();
    assert.match(received(), /^HTTP\/1\.1 413 /);
    assert.deepEqual(stack.authorizer.decisions(), []);
    assert.deepEqual(await stack.counts(), { authorized: 0, other: 0, unknown: 0 });
    await stack.stop();
  });
});
