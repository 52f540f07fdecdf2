// Routes that the operator lets through unchecked, through the real Envoy in both modes: with a valid key only, by a route of
// their own only, and over ext_proc without their bodies being held.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { envoyConfig, modes, places, uncheckedRoute } from "../support/envoy-config.ts";
import { call, type HttpAnswer } from "../support/http-client.ts";
import { type Authorizer, startAuthorizer } from "../support/start-authorizer.ts";
import { type Envoy, startEnvoy } from "../support/start-envoy.ts";
import { alice, binary, Stack, skip, stranger } from "../support/start-stack.ts";

const path = "/v1/files";

for (const mode of modes) {
  describe(`an unchecked route over ${mode}`, { skip }, () => {
    let stack: Stack;
    let authorizer: Authorizer;
    let envoys: readonly Envoy[];
    before(async () => {
      stack = await Stack.start([], mode);
      const args = ["--unchecked-routes", `POST ${path}`];
      authorizer = await startAuthorizer({ policy: stack.policy.path, args });
      const where = places({ authorizers: [authorizer.port], backendPort: stack.backend.port });
      envoys = [
        await startEnvoy(binary, envoyConfig([where, uncheckedRoute], mode)),
        await startEnvoy(binary, envoyConfig([where], mode)),
      ];
    });
    after(async () => {
      for (const envoy of envoys) await envoy.stop();
      await authorizer.stop();
      await stack.stop();
    });

    function post(envoy: Envoy | undefined, secret: string, bytes: number): Promise<HttpAnswer> {
      const headers = [
        ["content-type", "application/octet-stream"],
        ["authorization", `Bearer ${secret}`],
        ["x-model", "gold"],
      ] as const;
      return call({ port: envoy?.port ?? 0, path, headers, body: Buffer.alloc(bytes, "x") });
    }

    it("passes a body of any kind with a valid key, and no model header", async () => {
      const before = stack.backend.received.length;
      await post(envoys[0], alice.value, 100_000);
      const received = stack.backend.received.slice(before);
      assert.deepEqual(
        received.map(({ path: url, body, headers }) => [url, body.length, headers["x-model"]]),
        [[path, 100_000, undefined]],
      );
      const [one] = received;
      assert.equal(one?.headers["x-aliasguard-unchecked"], `POST ${path}`);
      assert.equal(one?.headers["authorization"], undefined);
    });

    it("passes nothing with another key, nor without a route for it", async () => {
      const before = stack.backend.received.length;
      const strange = await post(envoys[0], stranger.value, 1000);
      const routeless = await post(envoys[1], alice.value, 1000);
      assert.deepEqual([strange.status, routeless.status], [401, 503]);
      assert.equal(JSON.parse(routeless.body).error.code, "not_authorized");
      assert.equal(stack.backend.received.length, before);
    });

    // ext_authz sends every body to the authorizer; ext_proc is told to let this one go.
    it("takes a body over the limit over ext_proc alone", async () => {
      const before = stack.backend.received.length;
      const bytes = 40_000_000;
      const answer = await post(envoys[0], alice.value, bytes);
      const received = stack.backend.received.slice(before).map(({ body }) => body.length);
      if (mode === "ext_authz") assert.deepEqual([answer.status, received], [413, []]);
      else assert.deepEqual(received, [bytes]);
    });
  });
}
