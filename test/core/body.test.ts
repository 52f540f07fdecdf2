// What a body asks for: its model, the models beside it, and the fields that reach past the authorized one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readJsonBody } from "../../src/core/body.ts";
import type { Dialect } from "../../src/core/decision.ts";
import { fieldRows } from "../../src/core/fields.ts";
import { createJsonScanner } from "../../src/core/json-scan.ts";

const scanner = createJsonScanner({ hashSeed: 1 });

function read(body: string, dialect: Dialect = "openai", allowed: readonly string[] = []) {
  const options = { dialect, bodyFields: new Set(allowed), scanner, isText: false };
  return readJsonBody(Buffer.from(body), options);
}

function reasonOf(body: string, dialect?: Dialect): string {
  const reading = read(body, dialect);
  return reading.ok ? "ok" : `${reading.reason} ${reading.detail.name ?? ""}`.trim();
}

test("readJsonBody finds the model and where its token stands", () => {
  const reading = read(String.raw`{"messages":[],"model":"openrouter\/qwen"}`);
  assert.ok(reading.ok);
  const model = { name: "openrouter/qwen", offset: 23, length: 18, place: "model" };
  assert.deepEqual(reading.model, model);
});

test("readJsonBody refuses a model that is missing or none", () => {
  assert.equal(reasonOf("{}"), "model_missing");
  assert.equal(reasonOf('{"model":null}'), "model_missing");
  for (const value of [
    '""',
    "1",
    "true",
    "[]",
    '["a"]',
    "{}",
    '" a"',
    '"a "',
    '"a  b"',
    '"a/../b"',
    '"a//b"',
    '"/a"',
    '"a/"',
    '"."',
    '"a?b"',
    '"a%2fb"',
    '"a*"',
    '"a,b"',
    '"a\\u0000"',
    '"é"',
    '"\\ud800"',
    '"a\\nb"',
    '".a"',
    '"-a"',
    `"${"a".repeat(257)}"`,
    `"${"a".repeat(10_000)}"`,
  ]) {
    assert.equal(reasonOf(`{"model":${value}}`), "model_invalid model", value);
  }
  for (const value of [
    "a",
    "a b",
    "@cf/meta/llama",
    "_x",
    "ft:gpt-4o:org::id",
    "a/b.c/d",
    "a".repeat(256),
    "llama3:8b",
    "__proto__",
  ]) {
    assert.equal(reasonOf(JSON.stringify({ model: value })), "ok", value);
  }
});

test("readJsonBody refuses keys that sloppy parsers take for the model or a listed field", () => {
  for (const key of ["Model", "MODEL", "mo_del", "mod-el", "_model", "model_"]) {
    assert.equal(reasonOf(`{"model":"a","${key}":"b"}`), "body_key_not_allowed model", key);
  }
  assert.equal(reasonOf('{"model":"a","Fallbacks":[]}'), "body_key_not_allowed fallbacks");
  assert.equal(reasonOf('{"model":"a","apiBase":"x"}'), "body_key_not_allowed api_base");
  assert.equal(reasonOf('{"model":"a","AWS_region":"x"}'), "body_key_not_allowed aws_*");
  assert.equal(reasonOf('{"model":"a","models_used":1}'), "ok");
});

test("readJsonBody refuses every listed field that is refused everywhere, unless it is null or let through", () => {
  const refused = fieldRows.filter((row) => row.rule === "refused" && row.place === "top");
  assert.ok(refused.length > 25);
  for (const { name } of refused) {
    const key = name.replace("*", "x");
    assert.equal(
      reasonOf(`{"model":"a","${key}":"b"}`),
      `field_not_allowed ${name.endsWith("*") ? name : key}`,
    );
    assert.equal(reasonOf(`{"model":"a","${key}":null}`), "ok", key);
    assert.equal(read(`{"model":"a","${key}":"b"}`, "openai", [name]).ok, true, key);
  }
});

test("readJsonBody refuses listed fields in metadata, parameters and compound_custom, and no others there", () => {
  assert.equal(
    reasonOf('{"model":"a","metadata":{"langfuse_host":"x"}}'),
    "field_not_allowed langfuse_*",
  );
  assert.equal(
    reasonOf('{"model":"a","parameters":{"adapter_id":"x"}}'),
    "field_not_allowed parameters.adapter_id",
  );
  assert.equal(
    reasonOf('{"model":"a","compound_custom":{"models":{}}}'),
    "field_not_allowed compound_custom.models",
  );
  assert.equal(reasonOf('{"model":"a","metadata":{"model":"b","api_base":"x","models":[]}}'), "ok");
});

test("readJsonBody reads the models beside the main one, in order", () => {
  const reading = read(
    '{"tools":[{"type":"image_generation","model":"img"},{"svg":{"model":"svg-1"}}],"model":"a","moderation":{"model":"mod"},"safety_model":"safe"}',
  );
  assert.ok(reading.ok);
  const places = reading.nestedModels.map(({ name, place }) => `${place}=${name}`);
  assert.deepEqual(places, [
    "tools[].model=img",
    "tools[].svg.model=svg-1",
    "moderation.model=mod",
    "safety_model=safe",
  ]);
});

test("readJsonBody refuses a nested model that is none, and a misspelled one", () => {
  assert.equal(reasonOf('{"model":"a","tools":[{"model":1}]}'), "model_invalid tools[].model");
  assert.equal(
    reasonOf('{"model":"a","tools":[{"Model":"b"}]}'),
    "body_key_not_allowed tools[].model",
  );
  assert.equal(reasonOf('{"model":"a","tools":[{"model":null}]}'), "ok");
});

test("readJsonBody leaves the agents' own tools and messages alone", () => {
  const body = {
    model: "a",
    messages: [{ role: "user", content: '{"model":"x"}', model: "y", models: [] }],
    tools: [
      {
        type: "function",
        function: {
          name: "f",
          parameters: { properties: { model: { type: "string" } }, model: "z" },
        },
      },
      { name: "g", input_schema: { properties: { model: {}, fallbacks: {} } } },
    ],
  };
  const reading = read(JSON.stringify(body));
  assert.ok(reading.ok);
  assert.deepEqual(reading.nestedModels, []);
});

test("readJsonBody notes fields for router backends and for strict models", () => {
  const reading = read(
    '{"model":"a","provider":{},"zzz":1,"mcp_servers":[],"tools":[{"type":"mcp"}],"messages":[]}',
  );
  assert.ok(reading.ok);
  assert.deepEqual(reading.routerFields, ["provider"]);
  assert.deepEqual([...reading.strictFields].sort(), ["mcp_servers", "tools[].type", "zzz"]);
});

test("readJsonBody refuses ollama's second spelling of the model in its own dialect only", () => {
  assert.equal(reasonOf('{"model":"a","name":"b"}', "ollama"), "field_not_allowed name");
  assert.equal(reasonOf('{"model":"a","name":"b"}'), "ok");
});
