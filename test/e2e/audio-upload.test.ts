// The largest honest form: 25 MB of audio whose `model` part comes last, through the real Envoy in both modes. The resolved
// model stands in the alias's place at the backend, and every other byte as it was sent.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { modes } from "../support/envoy-config.ts";
import { call, type HttpAnswer } from "../support/http-client.ts";
import { alice, namedOnly, Stack, skip, target } from "../support/start-stack.ts";

const boundary = "----form-7MA4YWxkTrZu0gW";
const audio = Buffer.alloc(25 * 1024 * 1024);
for (let at = 0; at < audio.length; at += 1) audio[at] = (at * 31 + (at >> 8)) % 256;

function form(model: string): Buffer {
  const disposition = "Content-Disposition: form-data; name=";
  const file = `--${boundary}\r\n${disposition}"file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n`;
  const last = `\r\n--${boundary}\r\n${disposition}"model"\r\n\r\n${model}\r\n--${boundary}--\r\n`;
  return Buffer.concat([Buffer.from(file), audio, Buffer.from(last)]);
}

for (const mode of modes) {
  describe(`25 MB of audio over ${mode}`, { skip }, () => {
    let stack: Stack;
    before(async () => {
      stack = await Stack.start([], mode);
    });
    after(() => stack.stop());

    function upload(secret: string, chunked: boolean): Promise<HttpAnswer> {
      const headers = [
        ["content-type", `multipart/form-data; boundary=${boundary}`],
        ["authorization", `Bearer ${secret}`],
      ] as const;
      const path = "/v1/audio/transcriptions";
      return call({ port: stack.envoy.port, path, headers, body: form("AgentX-LLM"), chunked });
    }

    for (const chunked of [false, true]) {
      it(`is rewritten exactly, ${chunked ? "chunked" : "with a content-length"}`, async () => {
        const answer = await upload(alice.value, chunked);
        assert.equal(answer.status, 200, answer.body.slice(0, 500));
        const received = stack.last();
        assert.equal(received.headers["x-model"], target);
        assert.ok(received.body.equals(form(target)), "the body is not the one sent");
      });
    }

    it("is refused to a key without a grant", async () => {
      const before = stack.backend.received.length;
      const answer = await upload(namedOnly.value, false);
      assert.equal(answer.status, 403, answer.body);
      assert.equal(stack.backend.received.length, before);
    });
  });
}
