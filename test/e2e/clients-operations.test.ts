// Every operation that a backend answers, through the real Envoy in each mode: asked for with the alias it runs the target,
// asked for with a model that the key may not use it is refused in the words of its dialect.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Dialect, denials } from "../../src/core/denials.ts";
import { alias, forbidden, lastRan, modes, startClientStack } from "../support/client-stack.ts";
import { call, type HttpAnswer } from "../support/http-client.ts";
import { type OperationRequest, operationRequests } from "../support/operation-requests.ts";
import { alice, type Stack, skip, target } from "../support/start-stack.ts";

const { message, code } = denials.model_not_granted;
const openaiEnvelope = { error: { message, type: "permission_error", param: null, code } };

/** The whole answer to a model that may not be used. */
const envelopes: Readonly<Record<Dialect, object>> = {
  openai: openaiEnvelope,
  azure: openaiEnvelope,
  anthropic: { type: "error", error: { type: "permission_error", message, code } },
  gemini: {
    error: { code: 403, message, status: "PERMISSION_DENIED", details: [{ reason: code }] },
  },
  ollama: { error: message, code },
};

for (const mode of modes) {
  describe(`operations over ${mode}`, { skip }, () => {
    let stack: Stack;
    before(async () => {
      stack = await startClientStack(mode);
    });
    after(() => stack.stop());

    function ask(request: OperationRequest, model: string): Promise<HttpAnswer> {
      const headers = [
        ["content-type", request.contentType],
        ["authorization", `Bearer ${alice.value}`],
      ] as const;
      const { port } = stack.envoy;
      return call({ port, path: request.path(model), headers, body: request.body(model) });
    }

    for (const prefix of ["", "/v1", "/openai/v1", "/anthropic/v1", "/api/v1"]) {
      it(`run the target under "${prefix}" and are refused another model`, async () => {
        for (const request of operationRequests(prefix)) {
          const { title, row } = request;
          const named = row.path.includes("{model}") ? target : alias;
          const served = await ask(request, alias);
          assert.equal(served.status, 200, `${title}: ${served.body}`);
          assert.equal(served.headers.get("x-echo-model"), target, title);
          assert.equal(lastRan(stack), target, title);
          const { headers, path, body } = stack.last();
          assert.equal(headers["x-model"], target, title);
          assert.equal(path, request.backendPath(named), title);
          assert.ok(body.equals(request.body(target)), title);
          const received = stack.backend.received.length;
          const refused = await ask(request, forbidden);
          assert.equal(refused.status, 403, title);
          assert.deepEqual(JSON.parse(refused.body), envelopes[row.dialect], title);
          assert.equal(stack.backend.received.length, received, title);
        }
      });
    }
  });
}
