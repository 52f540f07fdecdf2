// The backend of the end-to-end tests answers whatever callers may ask for, with the model that a real one would run.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type EchoBackend, startEchoBackend } from "./echo-backend.ts";
import { operationRequests } from "./operation-requests.ts";

const model = "vendor/some-model:1b";

describe("the echo backend", () => {
  let backend: EchoBackend;
  before(async () => {
    backend = await startEchoBackend();
  });
  after(() => backend.stop());

  for (const prefix of ["", "/v1", "/openai/v1", "/anthropic/v1", "/api/v1"]) {
    it(`answers every operation under "${prefix}" with the model that was named`, async () => {
      const requests = operationRequests(prefix);
      assert.ok(requests.length > 40);
      for (const { title, path, contentType, body } of requests) {
        const response = await fetch(`http://127.0.0.1:${backend.port}${path(model)}`, {
          method: "POST",
          headers: { "content-type": contentType },
          body: new Uint8Array(body(model)),
        });
        const text = await response.text();
        assert.equal(response.status, 200, `${title}: ${text}`);
        assert.equal(response.headers.get("x-echo-model"), model, title);
      }
    });
  }

  it("goes by the path where Azure and Google do, whatever the body says", async () => {
    const paths = [
      "/openai/deployments/a/chat/completions?api-version=1",
      "/v1beta/models/a:generateContent",
    ];
    for (const path of paths) {
      const response = await fetch(`http://127.0.0.1:${backend.port}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "b" }),
      });
      assert.equal(response.headers.get("x-echo-model"), "a");
      await response.text();
    }
  });

  it("answers neither other paths nor a request without a model", async () => {
    const ask = async (path: string): Promise<number> => {
      const response = await fetch(`http://127.0.0.1:${backend.port}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      });
      await response.text();
      return response.status;
    };
    assert.equal(await ask("/v1/chat/completions"), 400);
    assert.equal(await ask("/aliasguard-rewrite-pending/v1/chat/completions"), 404);
    assert.equal(await ask("/v1/models"), 404);
    assert.equal(await ask("/v1beta/models/a:deleteContent"), 404);
    assert.equal(await ask("/openai/deployments/a%zz/embeddings"), 400);
  });
});
