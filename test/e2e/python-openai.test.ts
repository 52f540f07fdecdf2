// The Python openai client, unchanged, through the real Envoy: the copy that LiteLLM brings along, so it runs where
// LiteLLM is there already, and in CI.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { run } from "../support/child.ts";
import { getLitellm, isLitellmWanted } from "../support/get-litellm.ts";
import { MissingComponent, requirement } from "../support/requirements.ts";
import { alice, Stack, skip as skipEnvoy, stranger, target } from "../support/start-stack.ts";

const found = await requirement(async () => {
  if (isLitellmWanted()) return getLitellm();
  throw new MissingComponent("`npm run demo -- --backend litellm` fetches LiteLLM and its openai");
});
const skip = skipEnvoy !== false ? skipEnvoy : found.skip;

/** Prints one JSON object of what each call gave. */
const script = `
import json, os, openai
def client(key):
    return openai.OpenAI(api_key=key, base_url=os.environ["BASE_URL"], max_retries=0)
alice = client(os.environ["ALICE"])
hello = [{"role": "user", "content": "Say hi"}]
seen = {}
seen["chat"] = alice.chat.completions.create(model="AgentX-LLM", messages=hello).model
chunks = list(alice.chat.completions.create(model="AgentX-LLM", messages=hello, stream=True))
seen["stream"] = sorted({chunk.model for chunk in chunks})
seen["models"] = [model.id for model in alice.models.list()]
def raised(key, **more):
    try:
        client(key).chat.completions.create(**{"model": "AgentX-LLM", "messages": hello, **more})
        return "nothing"
    except openai.APIStatusError as error:
        return [type(error).__name__, error.code]
seen["forbidden"] = raised(os.environ["ALICE"], model="vendor/other")
seen["stranger"] = raised(os.environ["STRANGER"])
seen["field"] = raised(os.environ["ALICE"], extra_body={"fallbacks": ["vendor/other"]})
print(json.dumps(seen))
`;

describe("the Python openai client", { skip }, () => {
  let stack: Stack;
  before(async () => {
    stack = await Stack.start();
  });
  after(() => stack.stop());

  it("is served the resolved model and raises its typed exceptions", async () => {
    const env = {
      PYTHONPATH: found.value ?? "",
      PYTHONDONTWRITEBYTECODE: "1",
      NO_PROXY: "*",
      BASE_URL: `http://127.0.0.1:${stack.envoy.port}/v1`,
      ALICE: alice.value,
      STRANGER: stranger.value,
    };
    const ran = await run(
      { name: "python3", command: "python3", args: ["-c", script], env },
      60_000,
    );
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual(JSON.parse(ran.stdout), {
      chat: target,
      stream: [target],
      models: ["AgentX-LLM", target],
      forbidden: ["PermissionDeniedError", "model_forbidden"],
      stranger: ["AuthenticationError", "key_invalid"],
      field: ["BadRequestError", "field_not_allowed"],
    });
  });
});
