// The hunt, bounded: a real LiteLLM that is configured with everything by which a request could choose, behind a real Envoy
// in both modes, must never be made to run what the key was not granted. `npm run hunt` does the same for longer. And the
// hunt itself: past the authorizer, or with one dangerous field admitted, it finds what it looks for.

import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { modes } from "../support/envoy-config.ts";
import { getLitellm, isLitellmWanted, newestLitellmVersion } from "../support/get-litellm.ts";
import { MissingComponent, requirement } from "../support/requirements.ts";
import { binary, skip as skipEnvoy } from "../support/start-stack.ts";
import { type Attempt, attemptsOf } from "./attempts.ts";
import { type Figures, figureLines, holeLine, hunt, smallestHoles } from "./hunter.ts";
import { harvestedNames } from "./names.ts";
import type { Sighting } from "./provider-stub.ts";
import { type HuntStack, startHuntStack, type Way } from "./stack.ts";
import { callable, isGranted, litellmWorld } from "./world.ts";

const secondsEach = 50;

const found = await requirement(async () => {
  if (isLitellmWanted(newestLitellmVersion)) return getLitellm(undefined, newestLitellmVersion);
  throw new MissingComponent("ALIASGUARD_TEST_LITELLM=1 fetches LiteLLM (about 500 MB) and hunts");
});
const skip = skipEnvoy !== false ? skipEnvoy : found.skip;

const gold: Sighting = {
  marker: 0,
  model: "gold-real",
  host: "gold",
  path: "/gold/v1/chat/completions",
  account: "sk-gold",
  beside: [],
  injected: false,
};
const allowed: Sighting = { ...gold, model: "cheap-real", host: "cheap", account: "sk-cheap" };

describe("what the hunt takes for granted", () => {
  it("is the authorized model at its own host, on its own account", () => {
    assert.ok(isGranted(litellmWorld, "cheap", allowed));
    for (const change of [
      { model: "gold-real" },
      { host: "gold" },
      { account: "sk-gold" },
      { account: "sk-cheap+sk-gold" },
      { injected: true },
      { beside: ["cheap", "gold"] },
    ]) {
      assert.ok(
        !isGranted(litellmWorld, "cheap", { ...allowed, ...change }),
        JSON.stringify(change),
      );
    }
    assert.ok(!isGranted(litellmWorld, "tagged", allowed), "another model's call");
    assert.ok(isGranted(litellmWorld, "cheap", { ...allowed, beside: ["cheap"] }));
    assert.ok(
      isGranted(litellmWorld, undefined, allowed) && !isGranted(litellmWorld, undefined, gold),
      "no marker",
    );
  });

  it("tells each way by its smallest request", () => {
    const attempt = (names: string, path = "/v1/chat/completions"): Attempt => ({
      model: "cheap",
      path,
      extras: names.split(" ").flatMap((name) => {
        return name === "" ? [] : [{ name, where: "top" as const, value: 1 }];
      }),
    });
    const hole = (names: string, path?: string) => ({
      attempt: attempt(names, path),
      sighting: gold,
    });
    const holes = [
      hole("a b"),
      hole("a"),
      hole("a"),
      hole("c d"),
      hole("c d"),
      hole("e", "/x"),
      hole("", "/x"),
    ];
    const lines = smallestHoles(holes).map(({ attempt: each }) => [
      each?.path,
      each?.extras.map(({ name }) => name).join(" "),
    ]);
    const chat = "/v1/chat/completions";
    assert.deepEqual(lines, [
      ["/x", ""],
      [chat, "a"],
      [chat, "c d"],
    ]);
  });
});

describe(`a hunt through LiteLLM ${newestLitellmVersion}`, { skip }, () => {
  const names = harvestedNames();
  let stack: HuntStack;
  before(async () => {
    stack = await startHuntStack(binary, newestLitellmVersion);
  });
  after(() => stack.stop());

  function search(way: Way, seed: string, requestsMax?: number): Promise<Figures> {
    return hunt({
      ...way,
      world: stack.world,
      stub: stack.stub,
      attempts: attemptsOf(stack.world, names, stack.forbiddenUrl, seed),
      until: performance.now() + secondsEach * 1_000,
      ...(requestsMax === undefined ? {} : { requestsMax }),
    });
  }

  for (const mode of modes) {
    it(`finds nothing that was not granted, over ${mode}`, async (t: TestContext) => {
      const way = await stack.guarded(mode);
      const figures = await search(way, `${newestLitellmVersion} ${mode}`);
      t.diagnostic(`${names.fields.length} fields and ${names.headers.length} headers harvested`);
      for (const line of figureLines(figures)) t.diagnostic(line);
      assert.deepEqual(smallestHoles(figures.holes).map(holeLine), []);
      // It has looked: requests went through, each callable model ran, and much was refused.
      assert.ok(figures.requests > 500, String(figures.requests));
      assert.ok(figures.calls > callable(litellmWorld).length, String(figures.calls));
      assert.ok(
        figures.models.size >= callable(litellmWorld).length,
        [...figures.models].join(" "),
      );
      assert.ok(figures.refused > 100, String(figures.refused));
    });
  }

  it("finds it past the authorizer", async () => {
    const figures = await search(stack.unguarded, "unguarded", 80);
    assert.ok(figures.accounts.has("sk-gold") && figures.models.has("gold-real"));
    const lines = smallestHoles(figures.holes).map(holeLine).join("\n");
    for (const name of [
      "prompt_id",
      "tags",
      "litellm_credential_name",
      "provider_specific_header",
    ]) {
      assert.ok(lines.includes(`[top ${name}=`), `${name} is not among:\n${lines}`);
    }
  });

  it("finds the one field that an operator admits", async () => {
    const way = await stack.guarded("ext_proc", ["--body-fields", "prompt_id"]);
    const figures = await search(way, "prompt_id admitted", 80);
    const lines = smallestHoles(figures.holes).map(holeLine);
    assert.ok(figures.models.has("gold-real"), lines.join("\n"));
    assert.ok(
      lines.every((line) => line.includes("prompt_id=")),
      lines.join("\n"),
    );
  });
});
