// More checks at once than are let in: memory stays under the stated bound, also against senders that stall, and through
// the real Envoy every caller is served or told to come again, in its own dialect.

import assert from "node:assert/strict";
import { connect } from "node:http2";
import { after, before, describe, it } from "node:test";
import { measureMemory } from "../bench/memory.ts";
import { envoyConfig, places } from "../support/envoy-config.ts";
import { call, type HttpAnswer } from "../support/http-client.ts";
import { type Authorizer, startAuthorizer } from "../support/start-authorizer.ts";
import { type Envoy, startEnvoy } from "../support/start-envoy.ts";
import { alice, binary, chat, path, Stack, skip, target } from "../support/start-stack.ts";

const mib = 1024 * 1024;

describe("the memory of an authorizer", {
  skip: process.platform !== "linux" && "reads /proc",
}, () => {
  it("stays under the bound while 1,500 checks of 300 KB come at once, and all are answered", async () => {
    const flood = { checks: 1500, inFlightBytesMax: 32 * mib, waitingChecksMax: 1500 };
    const measured = await measureMemory({ ...flood, isStalling: false, holdMs: 0 });
    assert.deepEqual([...measured.answers], [["401", 1500]]);
    assert.ok(measured.peakBytes <= measured.boundBytes, JSON.stringify(measured));
  });

  it("stays under the bound while 1,500 senders stall, and one that does not is served", async () => {
    const flood = { checks: 1500, inFlightBytesMax: 32 * mib, waitingChecksMax: 1500 };
    const measured = await measureMemory({ ...flood, isStalling: true, holdMs: 1000 });
    assert.equal(measured.meanwhile, "401");
    assert.ok(measured.peakBytes <= measured.boundBytes, JSON.stringify(measured));
  });
});

describe("an authorizer with room for one check and places for four", { skip }, () => {
  let stack: Stack;
  let small: Authorizer;
  let envoy: Envoy;
  before(async () => {
    stack = await Stack.start();
    const args = ["--in-flight-bytes-max", "1", "--waiting-checks-max", "3"];
    small = await startAuthorizer({ policy: stack.policy.path, args });
    const where = places({ authorizers: [small.port], backendPort: stack.backend.port });
    envoy = await startEnvoy(binary, envoyConfig([where]));
  });
  after(async () => {
    await envoy.stop();
    await small.stop();
    await stack.stop();
  });

  const json = ["content-type", "application/json"] as const;
  const openai = [json, ["authorization", `Bearer ${alice.value}`]] as const;
  const anthropic = [json, ["x-api-key", alice.value]] as const;
  const body = chat("AgentX-LLM", "x".repeat(300_000));

  function flood(url: string, headers: typeof openai | typeof anthropic): Promise<HttpAnswer[]> {
    const ask = (): Promise<HttpAnswer> => call({ port: envoy.port, path: url, headers, body });
    return Promise.all(Array.from({ length: 60 }, ask));
  }

  /** Statuses, each once; of the refused ones what the caller sees. */
  function shapes(answers: readonly HttpAnswer[]): ReadonlySet<string> {
    const refused = answers.filter(({ status }) => status === 503);
    return new Set(
      refused.map(({ body: text, headers }) => {
        const { type = "none", error } = JSON.parse(text);
        return [type, error.type, error.code ?? "none", headers.get("retry-after")].join(" ");
      }),
    );
  }

  for (const [url, headers, shape] of [
    [path, openai, "none api_error overloaded 1"],
    ["/v1/messages", anthropic, "error overloaded_error overloaded 1"],
  ] as const) {
    it(`serves or refuses each of 60 callers of ${url}, and passes none unchecked`, async () => {
      const before = stack.backend.received.length;
      const answers = await flood(url, headers);
      const statuses = answers.map(({ status }) => status);
      assert.deepEqual(new Set(statuses), new Set([200, 503]));
      assert.deepEqual(shapes(answers), new Set([shape]));
      const served = stack.backend.received.slice(before);
      assert.equal(served.length, statuses.filter((status) => status === 200).length);
      assert.deepEqual(new Set(served.map((one) => one.headers["x-model"])), new Set([target]));
      assert.ok(served.every((one) => JSON.parse(one.body.toString()).model === target));
    });

    it(`serves ${url} again afterwards`, async () => {
      const answer = await call({ port: envoy.port, path: url, headers, body });
      assert.equal(answer.status, 200, answer.body);
    });
  }

  it("serves small checks at once and large ones soon while a sender stalls with all of the room", async () => {
    const session = connect(`http://127.0.0.1:${small.port}`);
    session.on("error", () => {});
    const stalled = session.request({
      ":method": "POST",
      ":path": "/envoy.service.auth.v3.Authorization/Check",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stalled.on("error", () => {});
    const head = Buffer.alloc(20_000);
    head.writeUInt32BE(100_000, 1);
    stalled.write(head);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const short = chat("AgentX-LLM");
    const ask = (text: string): Promise<HttpAnswer> =>
      call({ port: envoy.port, path, headers: openai, body: text });
    const startMs = performance.now();
    const [quick, slow] = await Promise.all([
      ask(short).then(({ status }) => [status, performance.now() - startMs < 1000] as const),
      ask(body).then(({ status }) => [status, performance.now() - startMs > 500] as const),
    ]);
    session.destroy();
    assert.deepEqual(quick, [200, true]);
    // It did wait: the room was really taken.
    assert.deepEqual(slow, [200, true]);
  });
});
