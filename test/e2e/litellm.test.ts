// A real LiteLLM as the backend: by itself it refuses the alias, through Envoy and aliasguard it serves it, and with only
// the header rewritten it refuses it again. That is why the body is edited. Its master key is put in by the authorizer.
// Fetches about 500 MB once, so it runs when it is cached, when CI=true, or when ALIASGUARD_TEST_LITELLM=1.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { changes, envoyConfig, luaScript, places } from "../support/envoy-config.ts";
import {
  exampleMasterKey,
  getLitellm,
  isLitellmWanted,
  type Litellm,
  startLitellm,
} from "../support/get-litellm.ts";
import { call, type HttpAnswer } from "../support/http-client.ts";
import { requirement } from "../support/requirements.ts";
import { type Envoy, startEnvoy } from "../support/start-envoy.ts";
import {
  alice,
  binary,
  chat,
  path,
  Stack,
  skip as skipEnvoy,
  target,
} from "../support/start-stack.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const found = isLitellmWanted() ? await requirement(() => getLitellm()) : undefined;
const why = "set ALIASGUARD_TEST_LITELLM=1 to fetch LiteLLM (about 500 MB) and run this";
const skip = skipEnvoy !== false ? skipEnvoy : (found?.skip ?? why);

/** What a gateway does that rewrites the header only: the path restored, the body as it came. */
const headerOnly = `
function envoy_on_request(handle)
  local decision = handle:streamInfo():dynamicMetadata():get("envoy.filters.http.ext_authz")
  handle:headers():replace(":path", decision.rewrite.path)
end`;

describe("a real LiteLLM", { skip }, () => {
  const credentials = createTempFolder("litellm-credentials");
  let litellm: Litellm;
  let stack: Stack;
  let spliced: Envoy;
  let unspliced: Envoy;
  before(async () => {
    litellm = await startLitellm(found?.value ?? "");
    writeFileSync(join(credentials.path, "default"), `${exampleMasterKey}\n`);
    stack = await Stack.start([], "ext_authz", ["--upstream-credentials", credentials.path]);
    const authorizers = [stack.authorizer.port];
    const where = places({ authorizers, backendPort: litellm.port });
    spliced = await startEnvoy(binary, envoyConfig([where]));
    unspliced = await startEnvoy(
      binary,
      envoyConfig([where, changes.pendingRouteLeftOut, luaScript(headerOnly)]),
    );
  });
  after(async () => {
    await unspliced.stop();
    await spliced.stop();
    await stack.stop();
    await litellm.stop();
    credentials.remove();
  });

  function ask(port: number, key = alice.value): Promise<HttpAnswer> {
    const headers = [
      ["content-type", "application/json"],
      ["authorization", `Bearer ${key}`],
    ] as const;
    return call({ port, path, headers, body: chat("AgentX-LLM") });
  }

  it("refuses the alias by itself", async () => {
    const answer = await ask(litellm.port, exampleMasterKey);
    assert.equal(answer.status, 400, answer.body);
    assert.match(answer.body, /Invalid model name/);
  });

  it("refuses a virtual key by itself", async () => {
    const answer = await ask(litellm.port);
    assert.ok([400, 401].includes(answer.status), answer.body);
    assert.doesNotMatch(answer.body, /Invalid model name/);
  });

  it("serves the alias through Envoy and aliasguard", async () => {
    const answer = await ask(spliced.port);
    assert.equal(answer.status, 200, answer.body);
    assert.equal(JSON.parse(answer.body).model, target);
  });

  it("refuses the alias when only the header is rewritten", async () => {
    const answer = await ask(unspliced.port);
    assert.equal(answer.status, 400, answer.body);
    assert.match(answer.body, /Invalid model name/);
  });
});
