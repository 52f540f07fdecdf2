// Two authorizers behind the real Envoy, one of them stopped under load as a rollout does: no caller notices.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { envoyConfig, places } from "../support/envoy-config.ts";
import { call } from "../support/http-client.ts";
import { type Authorizer, startAuthorizer } from "../support/start-authorizer.ts";
import { type Envoy, startEnvoy } from "../support/start-envoy.ts";
import { alice, binary, chat, path, Stack, skip } from "../support/start-stack.ts";

const drainDelayMs = 3000;

describe("an authorizer stopped under load", { skip }, () => {
  let stack: Stack;
  let leaving: Authorizer;
  let envoy: Envoy;
  before(async () => {
    stack = await Stack.start();
    const args = ["--drain-delay-ms", String(drainDelayMs)];
    leaving = await startAuthorizer({ policy: stack.policy.path, args });
    const authorizers = [leaving.port, stack.authorizer.port];
    const where = places({ authorizers, backendPort: stack.backend.port });
    envoy = await startEnvoy(binary, envoyConfig([where]));
  });
  after(async () => {
    await envoy.stop();
    await leaving.stop();
    await stack.stop();
  });

  it("fails no request, and ends by itself with exit code 0", async () => {
    const headers = [
      ["content-type", "application/json"],
      ["authorization", `Bearer ${alice.value}`],
    ] as const;
    const statuses = new Map<number, number>();
    let isOver = false;
    const askOn = async (): Promise<void> => {
      while (!isOver) {
        const answer = await call({ port: envoy.port, path, headers, body: chat("AgentX-LLM") });
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      }
    };
    const callers = [askOn(), askOn(), askOn(), askOn()];
    await new Promise((resolve) => setTimeout(resolve, 500));
    leaving.signal("SIGTERM");
    const exit = await leaving.exited;
    await new Promise((resolve) => setTimeout(resolve, 500));
    isOver = true;
    await Promise.all(callers);
    assert.deepEqual([...statuses.keys()], [200]);
    assert.ok((statuses.get(200) ?? 0) > 100, "too few requests to tell");
    assert.deepEqual(exit, { code: 0, signal: undefined });
  });
});
