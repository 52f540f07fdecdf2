// What the authorizer says over ext_proc is cut after any number of bytes, by a proxy before it: the request is served
// whole or refused, with failures allowed too. And authorizers that are killed or stopped under load.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { envoyConfig, messageTimeout, places, procChanges } from "../support/envoy-config.ts";
import { type CutProxy, startCutProxy } from "../support/fake-processor.ts";
import { call, type HttpAnswer } from "../support/http-client.ts";
import { type Authorizer, startAuthorizer } from "../support/start-authorizer.ts";
import { type Envoy, startEnvoy } from "../support/start-envoy.ts";
import { alice, binary, chat, path, Stack, skip, target } from "../support/start-stack.ts";

const headers = [
  ["content-type", "application/json"],
  ["authorization", `Bearer ${alice.value}`],
  ["x-model", "gold"],
] as const;

for (const [failures, changes] of [
  ["refused", []],
  ["allowed", [procChanges.failureModeAllow]],
] as const) {
  describe(`an answer over ext_proc that is cut, with failures ${failures}`, { skip }, () => {
    let stack: Stack;
    let proxy: CutProxy;
    let envoy: Envoy;
    before(async () => {
      stack = await Stack.start([], "ext_proc");
      proxy = await startCutProxy(stack.authorizer.port);
      const where = places({ authorizers: [proxy.port], backendPort: stack.backend.port });
      const quick = messageTimeout("0.25s");
      const config = [where, procChanges.healthChecksLeftOut, quick, ...changes];
      envoy = await startEnvoy(binary, envoyConfig(config, "ext_proc"));
    });
    after(async () => {
      await envoy.stop();
      await proxy.stop();
      await stack.stop();
    });

    const body = chat("AgentX-LLM");
    /** Status 0: the backend was answering already when Envoy gave the request up. */
    const ask = (): Promise<Pick<HttpAnswer, "status">> =>
      call({ port: envoy.port, path, headers, body }).catch((error: unknown) => {
        assert.ok(error instanceof Error && "code" in error && error.code === "ECONNRESET");
        return { status: 0 };
      });

    /** Asks with the answer cut after each number of bytes, and gives the statuses. */
    async function cutAll(
      how: Parameters<CutProxy["cutAfter"]>[1],
      lengths: readonly number[],
    ): Promise<ReadonlySet<number>> {
      const statuses = new Set<number>();
      const before = stack.backend.received.length;
      let served = 0;
      for (const length of lengths) {
        proxy.cutAfter(length, how);
        const { status } = await ask();
        statuses.add(status);
        if (status === 200) served += 1;
      }
      const received = stack.backend.received.slice(before);
      // Envoy may say 503 of what it has sent on: when the last answer came whole, and the stream did not end well.
      assert.ok(received.length >= served);
      for (const one of received) {
        assert.equal(one.body.toString(), body.replace("AgentX-LLM", target));
        assert.equal(one.headers["x-model"], target);
      }
      return statuses;
    }

    it("is served whole or refused, wherever it is cut", async () => {
      proxy.cutAfter(Number.POSITIVE_INFINITY, "reset");
      assert.equal((await ask()).status, 200);
      const whole = proxy.answered();
      assert.ok(whole > 300 && whole < 2000, String(whole));
      const lengths = (step: number, most: number): readonly number[] =>
        Array.from({ length: Math.floor(most / step) }, (_, at) => at * step);
      const all = [
        ...(await cutAll("reset", lengths(13, whole))),
        ...(await cutAll("end", lengths(19, whole))),
        ...(await cutAll("stall", lengths(151, whole - 200))),
        ...(await cutAll("reset", [whole])),
      ];
      assert.deepEqual(new Set(all.filter((status) => status !== 0)), new Set([503, 200]));
    });
  });
}

describe("two authorizers behind ext_proc under load", { skip }, () => {
  let stack: Stack;
  let leaving: Authorizer;
  let envoy: Envoy;
  const start = async (drainDelayMs: number): Promise<void> => {
    stack = await Stack.start([], "ext_proc");
    const args = ["--drain-delay-ms", String(drainDelayMs)];
    leaving = await startAuthorizer({ policy: stack.policy.path, args });
    const authorizers = [leaving.port, stack.authorizer.port];
    const where = places({ authorizers, backendPort: stack.backend.port });
    envoy = await startEnvoy(binary, envoyConfig([where], "ext_proc"));
  };
  const stop = async (): Promise<void> => {
    await envoy.stop();
    await leaving.stop();
    await stack.stop();
  };

  /** Statuses, counted, of what four callers ask while `meanwhile` happens. */
  async function underLoad(meanwhile: () => Promise<void>): Promise<ReadonlyMap<number, number>> {
    const statuses = new Map<number, number>();
    let isOver = false;
    const askOn = async (): Promise<void> => {
      while (!isOver) {
        const body = chat("AgentX-LLM", "x".repeat(20_000));
        const { status } = await call({ port: envoy.port, path, headers, body });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    const callers = [askOn(), askOn(), askOn(), askOn()];
    await new Promise((resolve) => setTimeout(resolve, 500));
    await meanwhile();
    await new Promise((resolve) => setTimeout(resolve, 500));
    isOver = true;
    await Promise.all(callers);
    return statuses;
  }

  it("fail no request when one of them is stopped, which ends with exit code 0", async () => {
    await start(3000);
    const statuses = await underLoad(async () => {
      leaving.signal("SIGTERM");
      assert.deepEqual(await leaving.exited, { code: 0, signal: undefined });
    });
    await stop();
    assert.deepEqual([...statuses.keys()], [200]);
    assert.ok((statuses.get(200) ?? 0) > 100, "too few requests to tell");
  });

  it("lose what one of them was deciding on when it is killed, and let nothing else through", async () => {
    await start(0);
    const statuses = await underLoad(async () => {
      leaving.signal("SIGKILL");
      await leaving.exited;
    });
    const models = new Set(stack.backend.received.map((one) => one.headers["x-model"]));
    const isRight = stack.backend.received.every(
      (one) => JSON.parse(one.body.toString()).model === target,
    );
    await stop();
    assert.deepEqual([models, isRight], [new Set([target]), true]);
    const failed = [...statuses].filter(([status]) => status !== 200);
    assert.ok(
      failed.every(([status]) => status === 503),
      JSON.stringify(failed),
    );
  });
});
