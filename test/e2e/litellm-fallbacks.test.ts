// A LiteLLM with a fallback that the policy declares: only who may run the fallback too may call the model that has it. The
// provider fails for that model, so that the fallback really runs.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type HuntStack, startHuntStack } from "../hunt/stack.ts";
import { modes } from "../support/envoy-config.ts";
import { getLitellm, isLitellmWanted, litellmVersion } from "../support/get-litellm.ts";
import { call, type HttpAnswer } from "../support/http-client.ts";
import { mintSecret } from "../support/policy-files.ts";
import { MissingComponent, requirement } from "../support/requirements.ts";
import { binary, skip as skipEnvoy } from "../support/start-stack.ts";

const found = await requirement(async () => {
  if (isLitellmWanted()) return getLitellm();
  throw new MissingComponent("ALIASGUARD_TEST_LITELLM=1 fetches LiteLLM (about 500 MB)");
});
const skip = skipEnvoy !== false ? skipEnvoy : found.skip;

const narrow = mintSecret();
const wide = mintSecret();
const manifests = [
  { kind: "Model", name: "shaky", spec: { fallbacks: ["spare"] } },
  { kind: "Model", name: "spare", spec: {} },
  { kind: "ModelAlias", name: "fast", spec: { alias: "fast", target: "shaky" } },
  {
    kind: "VirtualKey",
    name: "narrow",
    spec: { keyHash: narrow.keyHash, grants: { models: ["shaky"] } },
  },
  {
    kind: "VirtualKey",
    name: "wide",
    spec: { keyHash: wide.keyHash, grants: { models: ["shaky", "spare"] } },
  },
] as const;

describe("a fallback of LiteLLM's that the policy declares", { skip }, () => {
  let stack: HuntStack;
  before(async () => {
    stack = await startHuntStack(binary, litellmVersion, manifests);
  });
  after(() => stack.stop());

  function ask(port: number, secret: string, model: string): Promise<HttpAnswer> {
    const headers = [
      ["content-type", "application/json"],
      ["authorization", `Bearer ${secret}`],
    ] as const;
    const body = JSON.stringify({ model, messages: [{ role: "user", content: "Say hi" }] });
    return call({ port, path: "/v1/chat/completions", headers, body });
  }

  for (const mode of modes) {
    it(`runs for who may run it, and for nobody else, over ${mode}`, async () => {
      const { port } = await stack.guarded(mode);
      for (const model of ["shaky", "fast"]) {
        stack.stub.take();
        const refused = await ask(port, narrow.value, model);
        assert.equal(refused.status, 403, refused.body);
        assert.match(refused.body, /model_forbidden/);
        assert.deepEqual(stack.stub.take(), []);
        const served = await ask(port, wide.value, model);
        assert.equal(served.status, 200, served.body);
        const ran = stack.stub.take().map((each) => each.model);
        assert.deepEqual([ran[0], ran.at(-1)], ["shaky-real", "spare-real"]);
      }
      const alone = await ask(port, wide.value, "spare");
      assert.equal(alone.status, 200, alone.body);
    });
  }
});
