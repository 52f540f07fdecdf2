// Hosted tools by themselves: what in them names a model, where it stands, and what they cost.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nestedModelsMax } from "../../../src/core/body/draft.ts";
import { toolDepthMax } from "../../../src/core/body/hosted-tools.ts";
import { readJsonBody } from "../../../src/core/body/json-body.ts";
import { createJsonScanner } from "../../../src/core/json/scan.ts";
import { answerOf } from "./judged.ts";

const scanner = createJsonScanner({ hashSeed: 3 });

function read(body: object) {
  return readJsonBody(Buffer.from(JSON.stringify(body)), { dialect: "openai", scanner });
}

/** `place=name` of each model beside the main one, or the refusal. */
function modelsOf(body: object): readonly string[] {
  const reading = read({ model: "a", ...body });
  if (!reading.ok) return [answerOf(reading)];
  return reading.nestedModels.map(({ name, place }) => `${place}=${name}`);
}

const names = [
  ...["model", "models", "analysis_models", "modelName", "model_name", "model_id", "modelId"],
  ...["MODEL_ID", "judge_model", "judgeModels", "deployment", "deployment_id", "fallbacks"],
  ...["model-slug", "fallback", "base_model_name", "model_arn", "deployments", "model_alias"],
];

test("every member of a hosted tool that names a model is read, whatever stands around it", () => {
  for (const name of names) {
    const found = { [name]: "b" };
    const before = { x: [1, { y: "z" }], s: '\\"}]' };
    for (const member of [
      { ...found, ...before },
      { ...before, ...found },
      { ...before, ...found, t: {} },
    ]) {
      const tools = [{ type: "function", name: "f" }, { type: "x", ...member }, { type: "custom" }];
      assert.deepEqual(modelsOf({ tools }), [`tools[].${name}=b`], name);
      const nested = [{ parameters: { deep: [[{ er: member }]] }, type: "x" }];
      assert.deepEqual(
        modelsOf({ tools: nested }),
        [`tools[].parameters.deep[].er.${name}=b`],
        name,
      );
      const list = [{ type: "x", [name]: ["b", "c"] }];
      assert.deepEqual(modelsOf({ tools: list }), [`tools[].${name}[]=b`, `tools[].${name}[]=c`]);
    }
  }
});

test("members that name no model are left alone", () => {
  const others = [
    ...["modeling", "remodelled", "model_armor_config", "mode", "data", "engine", "modality"],
    ...[
      "model_version",
      "type",
      "name",
      "server_url",
      "deploy",
      "fallback_text",
      "supports_models_x",
    ],
  ];
  for (const name of others) {
    assert.deepEqual(modelsOf({ tools: [{ x: { [name]: "gold" } }] }), [], name);
  }
  const toolset = { type: "mcp_toolset", configs: { list_models: { enabled: true }, model: {} } };
  assert.deepEqual(modelsOf({ tools: [toolset] }), []);
  const search = { type: "tool_search", parameters: { properties: { model: { type: "string" } } } };
  assert.deepEqual(modelsOf({ tools: [search] }), []);
  // But a string is no schema.
  const schema = { type: "x", parameters: { properties: { model: "gold" } } };
  assert.deepEqual(modelsOf({ tools: [schema] }), ["tools[].parameters.properties.model=gold"]);
});

test("a type that comes last, twice spelled, null or of another kind does not hide a model", () => {
  const parameters = { model: "b" };
  const found = ["tools[].parameters.model=b"];
  assert.deepEqual(modelsOf({ tools: [{ parameters, type: "x" }] }), found);
  assert.deepEqual(modelsOf({ tools: [{ parameters, type: 1 }] }), found);
  assert.deepEqual(modelsOf({ tools: [{ parameters, type: {} }] }), found);
  assert.deepEqual(modelsOf({ tools: [{ parameters, type: ["function"] }] }), found);
  assert.deepEqual(modelsOf({ tools: [{ parameters, type: "function" }] }), []);
  assert.deepEqual(modelsOf({ tools: [{ parameters, type: null }] }), []);
  assert.deepEqual(modelsOf({ tools: [{ parameters }] }), []);
  for (const key of ["Type", "TYPE", "_type", "ty-pe"]) {
    const tools = [{ type: "function", parameters, [key]: "x" }];
    assert.deepEqual(modelsOf({ tools }), ["body_key_not_allowed tools[].type"], key);
  }
});

test("tools within tools are bounded", () => {
  let tool: object = { type: "x", model: "b" };
  for (let depth = 1; depth < toolDepthMax; depth++) tool = { type: "x", tools: [tool] };
  assert.equal(modelsOf({ tools: [tool] }).length, 1);
  const [answer = ""] = modelsOf({ tools: [{ type: "x", tools: [tool] }] });
  assert.match(answer, /^field_not_allowed tools/);
  const many = Array(nestedModelsMax + 1).fill("b");
  const tools = [{ type: "x", analysis_models: many }];
  assert.deepEqual(modelsOf({ tools }), ["field_not_allowed tools[].analysis_models[]"]);
});

test("no string that names a model gets past, however deep and among whatever else", () => {
  const filler = fc.oneof(
    fc.constantFrom<unknown>(
      1,
      null,
      true,
      "x",
      [],
      {},
      { a: "b" },
      ["x", { c: 1 }],
      "y".repeat(300),
    ),
    fc
      .jsonValue({ maxDepth: 2 })
      .filter((value) => !/model|deploy|fallback|type/i.test(JSON.stringify(value))),
  );
  const key = fc.constantFrom("a", "b", "parameters", "c_d", "retrieval", "x-y", "é", "tool");
  const step = fc.record({ key, isArray: fc.boolean(), before: filler, after: filler });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.constantFrom(...names), (steps, name) => {
      let value: unknown = { [name]: "b" };
      for (const { key: at, isArray, before, after } of steps) {
        value = isArray ? { [at]: [before, value, after] } : { p: before, [at]: value, q: after };
      }
      const tools = [
        { type: "function", function: {} },
        { w: 1, value, type: "hosted" },
        { type: "custom" },
      ];
      const reading = read({ tools, model: "a" });
      assert.ok(reading.ok, answerOf(reading));
      assert.deepEqual(
        reading.nestedModels.map((token) => token.name),
        ["b"],
      );
    }),
    { numRuns: 500 },
  );
});
