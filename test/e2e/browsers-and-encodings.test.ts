// What the shipped configurations hold as comments, with the comments taken away, through the real Envoy in both modes: a
// browser's preflight and refusals that a page can read; bodies that come compressed.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { modes } from "../support/envoy-config.ts";
import { call, type HttpAnswer } from "../support/http-client.ts";
import { alice, assertExact, chat, namedOnly, path, Stack, skip } from "../support/start-stack.ts";

const origin = "https://app.example.com";

for (const mode of modes) {
  describe(`browsers over ${mode}`, { skip }, () => {
    let stack: Stack;
    before(async () => {
      stack = await Stack.start([], mode, [], ["browsers"]);
    });
    after(() => stack.stop());

    function preflight(from: string): Promise<HttpAnswer> {
      const headers = [
        ["origin", from],
        ["access-control-request-method", "POST"],
        ["access-control-request-headers", "authorization,content-type"],
      ] as const;
      return call({ port: stack.envoy.port, path, method: "OPTIONS", headers });
    }

    it("a preflight is answered without a key", async () => {
      const { status, headers } = await preflight(origin);
      assert.equal(status, 200);
      assert.equal(headers.get("access-control-allow-origin"), origin);
      assert.match(headers.get("access-control-allow-headers") ?? "", /authorization/);
      assert.equal(stack.backend.received.length, 0);
    });

    it("a preflight of another page is refused", async () => {
      const { status, headers } = await preflight("https://evil.example");
      assert.equal(status, 405);
      assert.equal(headers.get("access-control-allow-origin"), undefined);
      assert.equal(stack.backend.received.length, 0);
    });

    it("a page can read what it is answered, refusals too", async () => {
      const sent = chat("AgentX-LLM");
      const served = await stack.ask(alice.value, sent, [["origin", origin]]);
      assert.equal(served.status, 200, served.body);
      assert.equal(served.headers.get("access-control-allow-origin"), origin);
      assertExact(stack, sent);
      const keys = [namedOnly.value, "no-such-key-00000000000000"];
      const refused = await Promise.all(
        keys.map((key) => stack.ask(key, sent, [["origin", origin]])),
      );
      assert.deepEqual(
        refused.map(({ status, headers }) => [status, headers.get("access-control-allow-origin")]),
        [
          [403, origin],
          [401, origin],
        ],
      );
    });
  });

  describe(`compressed bodies over ${mode}`, { skip }, () => {
    let stack: Stack;
    before(async () => {
      stack = await Stack.start([], mode, [], ["decompressors"]);
    });
    after(() => stack.stop());

    function ask(secret: string, body: Buffer, encoding: string): Promise<HttpAnswer> {
      const headers = [
        ["content-type", "application/json"],
        ["authorization", `Bearer ${secret}`],
        ["content-encoding", encoding],
      ] as const;
      return call({ port: stack.envoy.port, path, headers, body });
    }

    for (const [encoding, compress] of [
      ["gzip", gzipSync],
      ["zstd", zstdCompressSync],
    ] as const) {
      it(`a body in ${encoding} is decided on and edited`, async () => {
        const sent = chat("AgentX-LLM", "abc".repeat(5000));
        const answer = await ask(alice.value, compress(Buffer.from(sent)), encoding);
        assert.equal(answer.status, 200, answer.body);
        assertExact(stack, sent);
        assert.equal(stack.last().headers["content-encoding"], undefined);
      });

      it(`a body that ${encoding} makes longer is decided on and edited`, async () => {
        const sent = '{"model":"AgentX-LLM","messages":[]}';
        const packed = compress(Buffer.from(sent));
        assert.ok(packed.length > sent.length);
        const answer = await ask(alice.value, packed, encoding);
        assert.equal(answer.status, 200, answer.body);
        assertExact(stack, sent);
        assert.equal(stack.last().headers["x-aliasguard-received-encoding"], undefined);
      });

      it(`a body in ${encoding} is refused what nobody granted`, async () => {
        const received = stack.backend.received.length;
        const answer = await ask(
          alice.value,
          compress(Buffer.from(chat("gold", "abc".repeat(5000)))),
          encoding,
        );
        assert.equal(answer.status, 403, answer.body);
        assert.equal(stack.backend.received.length, received);
      });

      it(`a body that is not ${encoding} is refused`, async () => {
        const received = stack.backend.received.length;
        const sent = compress(Buffer.from(chat("AgentX-LLM", "abc".repeat(5000))));
        for (const body of [sent.subarray(0, sent.length - 40), Buffer.from(chat("AgentX-LLM"))]) {
          const { status } = await ask(alice.value, body, encoding);
          // Over ext_authz what is left of it is also less than what Envoy counted.
          assert.ok(status === 400 || (mode === "ext_authz" && status === 413), String(status));
        }
        assert.equal(stack.backend.received.length, received);
      });
    }

    it("a body in another encoding is refused", async () => {
      const answer = await ask(alice.value, Buffer.from(chat("AgentX-LLM")), "br");
      assert.equal(answer.status, 415, answer.body);
    });

    it("a body without an encoding is served", async () => {
      const sent = chat("AgentX-LLM");
      const answer = await stack.ask(alice.value, sent);
      assert.equal(answer.status, 200, answer.body);
      assertExact(stack, sent);
    });
  });
}
