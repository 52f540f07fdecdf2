// What a body asks for: its model, the models beside it, and the fields that reach past the authorized one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldPath, fieldRows } from "../../../src/core/body/fields.ts";
import { nestedModelsMax, readJsonBody } from "../../../src/core/body/json-body.ts";
import type { Dialect } from "../../../src/core/denials.ts";
import { createJsonScanner } from "../../../src/core/json/scan.ts";

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
  assert.deepEqual(reading.model, {
    name: "openrouter/qwen",
    offset: 23,
    length: 18,
    place: "model",
    form: "json",
    prefix: "",
  });
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

test("readJsonBody refuses half a surrogate pair in a model", () => {
  assert.equal(reasonOf('{"model":"\\ud800"}'), "body_lone_surrogate model");
  assert.equal(
    reasonOf('{"model":"a","tools":[{"model":"b\\udc00"}]}'),
    "body_lone_surrogate tools[].model",
  );
  assert.equal(reasonOf('{"model":"a","messages":[{"content":"\\ud800"}]}'), "ok");
});

/** A body in which the row's field has `value`. */
function bodyWith({ name, place }: { name: string; place: string }, value: string): string {
  const [key = "", wanted] = name.replace("*", "x").split("=");
  let text = `{"${key}":${wanted === undefined ? value : JSON.stringify(wanted)}}`;
  const steps = place === "top" ? [] : place.split(".").reverse();
  for (const step of steps) {
    text = step.endsWith("[]") ? `{"${step.slice(0, -2)}":[1,${text}]}` : `{"${step}":${text}}`;
  }
  return `{"model":"a",${text.slice(1)}`;
}

test("readJsonBody applies each row of the field table by its rule", () => {
  const rules = new Set<string>();
  for (const row of fieldRows) {
    const path = fieldPath(row);
    const dialect = row.dialect ?? "openai";
    const reading = read(bodyWith(row, '"b"'), dialect);
    rules.add(row.rule);
    const seen = reading.ok
      ? {
          router: reading.routerFields,
          strict: reading.strictFields.filter((name) => name === path),
          model: reading.nestedModels.map(({ place }) => place),
          same: reading.sameModels.map(({ place }) => place),
        }
      : { refused: [reading.reason, reading.detail.name] };
    const none = { router: [], strict: [], model: [], same: [] };
    const wanted =
      row.rule === "refused"
        ? { refused: ["field_not_allowed", path] }
        : { ...none, [row.rule]: [path] };
    assert.deepEqual(seen, wanted, path);
  }
  assert.equal(rules.size, 5);
});

test("readJsonBody admits listed fields that are null, and those that a setting lets through", () => {
  for (const row of fieldRows) {
    const dialect = row.dialect ?? "openai";
    if (!row.name.includes("=")) {
      const reading = read(bodyWith(row, "null"), dialect);
      assert.ok(reading.ok, fieldPath(row));
      assert.deepEqual([reading.nestedModels, reading.routerFields], [[], []], fieldPath(row));
      assert.deepEqual(reading.sameModels, [], fieldPath(row));
    }
    const reading = read(bodyWith(row, '"b"'), dialect, [fieldPath(row)]);
    assert.ok(reading.ok, fieldPath(row));
    assert.deepEqual(reading.routerFields, []);
    // A model is checked whatever the setting says.
    assert.equal(reading.nestedModels.length, row.rule === "model" ? 1 : 0, fieldPath(row));
    assert.equal(reading.sameModels.length, row.rule === "same" ? 1 : 0, fieldPath(row));
  }
});

test("readJsonBody refuses fallbacks in every form", () => {
  for (const value of ['"default"', "[]", '["b"]', '[{"model":"b"}]', "{}", "true", "0", '""']) {
    assert.equal(
      reasonOf(`{"model":"a","fallbacks":${value}}`),
      "field_not_allowed fallbacks",
      value,
    );
  }
});

test("readJsonBody looks for few names in metadata, parameters and compound_custom", () => {
  const metadata = {
    model: "b",
    api_base: "x",
    models: [],
    Model: "c",
    langfuse: "y",
    tools: [{ model: 1 }],
    tags: ["langfuse_host"],
    trace: { langfuse_host: "x" },
  };
  assert.equal(reasonOf(JSON.stringify({ model: "a", metadata })), "ok");
  assert.equal(
    reasonOf('{"model":"a","metadata":{"lang\\u0066use_host":"x"}}'),
    "field_not_allowed metadata.langfuse_*",
  );
  assert.equal(reasonOf('{"model":"a","metadata":"langfuse_host"}'), "ok");
  assert.equal(reasonOf('{"model":"a","parameters":{"adapter":"x","model":"y"}}'), "ok");
  assert.equal(reasonOf('{"model":"a","compound_custom":{"tools":{"models":1}}}'), "ok");
  assert.equal(
    reasonOf('{"model":"a","compound_custom":{"Models":{}}}'),
    "body_key_not_allowed compound_custom.models",
  );
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

test("readJsonBody says where the token of a nested model stands", () => {
  const body = '{"model":"a","tools":[{"type":"image_generation", "mod\\u0065l" : "v\\/img" }]}';
  const reading = read(body);
  assert.ok(reading.ok);
  const [token] = reading.nestedModels;
  assert.deepEqual(token, {
    name: "v/img",
    offset: body.indexOf('"v\\/img"'),
    length: 8,
    place: "tools[].model",
    form: "json",
    prefix: "",
  });
});

test("readJsonBody refuses a nested model that is none, and a misspelled one", () => {
  for (const value of ["1", '""', "[]", "{}", "true", '"a*"', '["a"]', `"${"a".repeat(10_000)}"`]) {
    assert.equal(
      reasonOf(`{"model":"a","tools":[{"model":${value}}]}`),
      "model_invalid tools[].model",
      value,
    );
  }
  const misspelled: readonly (readonly [body: string, place: string])[] = [
    ['"tools":[{"Model":"b"}]', "tools[].model"],
    ['"tools":[{"mo_del":null}]', "tools[].model"],
    ['"tools":[{"M\\u006fdel":"b"}]', "tools[].model"],
    ['"tools":[{"svg":{"MODEL":"b"}}]', "tools[].svg.model"],
    ['"tools":[{"SVG":{"model":"b"}}]', "tools[].svg"],
    ['"moderation":{"model_":"b"}', "moderation.model"],
    ['"input":[{"Tools":[{"model":"b"}]}]', "input[].tools"],
    ['"Tools":[{"model":"b"}]', "tools"],
  ];
  for (const [member, place] of misspelled) {
    assert.equal(reasonOf(`{"model":"a",${member}}`), `body_key_not_allowed ${place}`, member);
  }
});

test("readJsonBody refuses more nested models than anybody needs", () => {
  const tools = (count: number): string => Array(count).fill('{"model":"b"}').join(",");
  const body = (count: number): string => `{"model":"a","tools":[${tools(count)}]}`;
  assert.equal(reasonOf(body(nestedModelsMax)), "ok");
  assert.equal(reasonOf(body(nestedModelsMax + 1)), "field_not_allowed tools[].model");
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
      { name: "g", input_schema: { properties: { model: {}, fallbacks: {} }, Model: 1 } },
    ],
    input: [
      { role: "user", content: [{ type: "input_text", text: "x", model: 1 }], model: 2 },
      { type: "function_call_output", output: "{}", tools: "none" },
    ],
    user: "model",
    response_format: { json_schema: { schema: { properties: { model: {}, Model: {} } } } },
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
  assert.deepEqual([...reading.strictFields].sort(), ["mcp_servers", "tools[].type=mcp", "zzz"]);
});

test("readJsonBody refuses ollama's second spelling of the model in its own dialect only", () => {
  assert.equal(reasonOf('{"model":"a","name":"b"}', "ollama"), "field_not_allowed name");
  assert.equal(reasonOf('{"model":"a","name":"b"}'), "ok");
});

test("readJsonBody repeats no name of the caller's that could do harm", () => {
  for (const key of ["<script>", "a b", "a\u007f", "x".repeat(65), ""]) {
    const reading = read(JSON.stringify({ model: "a", [key]: 1 }));
    assert.ok(reading.ok);
    assert.deepEqual(reading.strictFields, ["an unknown field"], key);
  }
  assert.equal(read('{"model":"a","x":null}').ok, true);
});

test("readJsonBody notes a bounded number of fields", () => {
  const fields = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`x${at}`, 1]));
  const reading = read(JSON.stringify({ model: "a", ...fields }));
  assert.ok(reading.ok);
  assert.equal(reading.strictFields.length, 32);
});

test("readJsonBody passes on why and where the scanner refuses", () => {
  const reading = read('{"model":"a","model":"b"}');
  assert.deepEqual(reading, { ok: false, reason: "body_duplicate_key", detail: { offset: 13 } });
  assert.equal(reasonOf("[]"), "body_not_object");
  assert.equal(reasonOf('{"mod\\u0065l":"a"}'), "body_key_not_allowed");
});

test("readJsonBody refuses ! in a key of sanitised text, and a model that holds one anyway", () => {
  const options = { dialect: "openai", bodyFields: new Set<string>(), scanner } as const;
  const body = Buffer.from('{"model":"a","x!":1}');
  assert.equal(readJsonBody(body, options).ok, true);
  assert.equal(readJsonBody(body, { ...options, isText: true }).ok, false);
  assert.equal(reasonOf('{"model":"a!"}'), "model_invalid model");
});

test("readJsonBody finds nested models beyond what the scanner has noted", () => {
  const fill = "[],".repeat(5000);
  for (const tools of [`[${fill}{"model":"b"}]`, `[[${fill}1],{"x":[${fill}1],"model":"b"}]`]) {
    for (const body of [
      `{"model":"a","tools":${tools}}`,
      `{"model":"a","x":[${fill}1],"tools":${tools}}`,
      `{"model":"a","input":[1,{"x":[${fill}1],"tools":${tools}}]}`,
    ]) {
      const reading = read(body);
      assert.ok(reading.ok);
      assert.deepEqual(
        reading.nestedModels.map(({ name }) => name),
        ["b"],
      );
    }
  }
});
