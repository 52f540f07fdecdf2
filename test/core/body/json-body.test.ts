// What a body asks for: its model, the models beside it, and the fields that reach past the authorized one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nestedModelsMax } from "../../../src/core/body/draft.ts";
import { fieldClass } from "../../../src/core/body/field-table.ts";
import {
  absentWhenNull,
  type FieldRow,
  fieldPath,
  fieldRows,
} from "../../../src/core/body/fields.ts";
import { readJsonBody } from "../../../src/core/body/json-body.ts";
import { knownFields } from "../../../src/core/body/known-fields.ts";
import type { Dialect } from "../../../src/core/denials.ts";
import { createJsonScanner } from "../../../src/core/json/scan.ts";
import { answerOf, type Judged } from "./judged.ts";

const scanner = createJsonScanner({ hashSeed: 1 });

function read(body: string, dialect: Dialect = "openai") {
  return readJsonBody(Buffer.from(body), { dialect, scanner, isText: false });
}

function reasonOf(body: string, dialect?: Dialect, options?: Judged): string {
  return answerOf(read(body, dialect), options);
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
    '"a&b"',
    '"a\'b"',
    '"a`b"',
    '"a\\"b"',
    '"a\\\\b"',
    '"a?b"',
    '"a%2fb"',
    '"a*"',
    '"a,b"',
    '"a\\u0000"',
    '"é"',
    '"a\\nb"',
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
  assert.equal(reasonOf('{"model":"a","models_used":1}'), "field_not_allowed models_used");
  assert.equal(reasonOf('{"model":"a","models_used":1}', "openai", { backend: "leaf" }), "ok");
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
  let text = `{"${name.replace("*", "x")}":${value}}`;
  const steps = place === "top" ? [] : place.split(".").reverse();
  for (const step of steps) {
    text = step.endsWith("[]") ? `{"${step.slice(0, -2)}":[1,${text}]}` : `{"${step}":${text}}`;
  }
  return `{"model":"a",${text.slice(1)}`;
}

/** The field as its caller spells it. */
function nameOf(row: FieldRow): string {
  return fieldPath({ ...row, name: row.name.replace("*", "x") });
}

test("readJsonBody applies each row of the field table by its rule", () => {
  const rules = new Set<string>();
  for (const row of fieldRows) {
    const path = fieldPath(row);
    const dialect = row.dialect ?? "openai";
    rules.add(row.rule);
    const isLook = row.rule === "tools" || row.rule === "config" || row.rule === "metadata";
    const value = row.rule === "tools" ? '[{"model":"b"}]' : '{"model":"b"}';
    const reading = read(bodyWith(row, isLook ? value : '"b"'), dialect);
    assert.ok(reading.ok, path);
    const found = reading.fields.filter((each) => each.path === path);
    const seen = {
      found: found.map(({ ownPath, refusedFor }) => [ownPath, refusedFor]),
      models: reading.nestedModels.map(({ place }) => place),
      same: reading.sameModels.map(({ place }) => place),
    };
    const none = { found: seen.found.length > 0 && isLook ? seen.found : [], models: [], same: [] };
    const wanted = {
      refused: { ...none, found: [[nameOf(row), "always"]] },
      router: { ...none, found: [[nameOf(row), "router"]] },
      model: { ...none, models: [path] },
      same: { ...none, same: [path] },
      tools: { ...none, models: [`${path}[].model`] },
      config: { ...none, models: [`${path}.model`] },
      metadata: none,
    }[row.rule];
    assert.deepEqual(seen, wanted, path);
  }
  assert.equal(rules.size, 7);
});

test("readJsonBody's listed fields are refused by their rule, and admitted by a setting that names them", () => {
  for (const row of fieldRows.filter(({ rule }) => rule === "refused" || rule === "router")) {
    const name = nameOf(row);
    const answer = (value: string, options?: Judged): string =>
      reasonOf(bodyWith(row, value), row.dialect, options);
    // Places that are unknown themselves are admitted by name, too.
    const place = row.place === "parameters" ? ["parameters"] : [];
    assert.match(answer('"b"'), /^field_not_allowed /, name);
    const onLeaf = row.rule === "refused" ? `field_not_allowed ${name}` : "ok";
    assert.equal(answer('"b"', { backend: "leaf" }), onLeaf, name);
    assert.equal(answer('"b"', { bodyFields: [...place, fieldPath(row)] }), "ok", name);
    assert.equal(answer('"b"', { bodyFields: [...place, name] }), "ok", name);
    assert.equal(answer("null", { backend: "leaf" }), "ok", name);
    const isAbsent = row.place !== "top" || absentWhenNull.has(row.name);
    const onRouter = isAbsent ? "ok" : `field_not_allowed ${name}`;
    assert.equal(answer("null", { bodyFields: place }), onRouter, name);
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
    labels: ["langfuse_host"],
    trace: { langfuse_host: "x" },
  };
  assert.equal(reasonOf(JSON.stringify({ model: "a", metadata })), "ok");
  assert.equal(
    reasonOf('{"model":"a","metadata":{"lang\\u0066use_host":"x"}}'),
    "field_not_allowed metadata.langfuse_host",
  );
  assert.equal(reasonOf('{"model":"a","metadata":"langfuse_host"}'), "ok");
  const leaf = { backend: "leaf" } as const;
  assert.equal(reasonOf('{"model":"a","parameters":{"adapter":"x"}}', "openai", leaf), "ok");
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
  for (const value of ["1", '""', "{}", "true", '"a*"', `"${"a".repeat(10_000)}"`]) {
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
      { type: "function_call_output", output: "{}", tools: [] },
    ],
    user: "model",
    response_format: { json_schema: { schema: { properties: { model: {}, Model: {} } } } },
  };
  const reading = read(JSON.stringify(body));
  assert.ok(reading.ok);
  assert.deepEqual(reading.nestedModels, []);
});

test("readJsonBody notes what it does not know, where it stands, and of which types the tools are", () => {
  const body =
    '{"model":"a","provider":{},"zzz":1,"mcp_servers":[],"tools":[{"type":"mcp"}],"messages":[]}';
  const reading = read(body);
  assert.ok(reading.ok);
  assert.deepEqual(reading.fields, [
    { path: "provider", ownPath: "provider", refusedFor: "router", offset: 24 },
    { path: "zzz", ownPath: "zzz", refusedFor: "router", offset: 33 },
  ]);
  assert.deepEqual([...reading.toolTypes], ["mcp"]);
});

test("readJsonBody refuses ollama's second spelling of the model in its own dialect only", () => {
  assert.equal(reasonOf('{"model":"a","name":"b"}', "ollama"), "field_not_allowed name");
  assert.equal(reasonOf('{"model":"a","name":""}', "ollama"), "ok");
  assert.equal(reasonOf('{"model":"a","name":"b"}', "openai", { backend: "leaf" }), "ok");
});

test("readJsonBody repeats no name of the caller's that could do harm", () => {
  for (const key of ["<script>", "a b", "a\u007f", "x".repeat(65), ""]) {
    const body = JSON.stringify({ model: "a", [key]: 1 });
    assert.equal(reasonOf(body), "field_not_allowed an unknown field", key);
  }
});

test("readJsonBody notes at most one field for each key", () => {
  const fields = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`x${at}`, 1]));
  const reading = read(JSON.stringify({ model: "a", ...fields }));
  assert.ok(reading.ok);
  assert.equal(reading.fields.length, 5000);
});

test("readJsonBody passes on why and where the scanner refuses", () => {
  const reading = read('{"model":"a","model":"b"}');
  assert.deepEqual(reading, { ok: false, reason: "body_duplicate_key", detail: { offset: 13 } });
  assert.equal(reasonOf("[]"), "body_not_object");
  assert.equal(reasonOf('{"mod\\u0065l":"a"}'), "body_key_not_allowed");
});

test("readJsonBody refuses ! in a key of sanitised text, and a model that holds one anyway", () => {
  const options = { dialect: "openai", scanner } as const;
  const body = Buffer.from('{"model":"a","x!":1}');
  assert.equal(readJsonBody(body, options).ok, true);
  assert.equal(readJsonBody(body, { ...options, isText: true }).ok, false);
  const named = Buffer.from('{"model":"a!"}');
  assert.equal(readJsonBody(named, options).ok, true);
  assert.equal(readJsonBody(named, { ...options, isText: true }).ok, false);
});

test("readJsonBody finds nested models beyond what the scanner has noted", () => {
  const fill = "[],".repeat(5000);
  for (const tools of [
    `[${"{},".repeat(5000)}{"model":"b"}]`,
    `[{"y":[${fill}1]},{"x":[${fill}1],"model":"b"}]`,
  ]) {
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

test("readJsonBody admits each known field by itself and among others, and none with a letter more", () => {
  for (const dialect of ["openai", "azure", "anthropic", "ollama", "gemini"] as const) {
    for (const name of knownFields(dialect)) {
      if (name === "model") continue;
      const value = kindOfField(dialect, name);
      for (const body of [
        `{"${name}":${value},"model":"a"}`,
        `{"model":"a","${name}":${value}}`,
        `{"stream":true,"${name}":${value},"model":"a"}`.replace(
          '"stream":true,"stream"',
          '"stream"',
        ),
        `{"model":"a","${name}":null}`,
      ]) {
        const isThere = dialect === "gemini" && body.startsWith('{"stream"');
        if (!isThere) assert.equal(reasonOf(body, dialect), "ok", `${dialect} ${body}`);
      }
      const other = `{"model":"a","${name}zq":1}`;
      assert.match(reasonOf(other, dialect), /^field_not_allowed /, `${dialect} ${name}`);
    }
  }
});

/** A value of a kind that the place of the field may have. */
function kindOfField(dialect: Dialect, name: string): string {
  const rule = fieldClass(dialect, "body", name);
  if (rule === "tools" || name === "requests" || name === "input" || name === "messages")
    return "[]";
  return rule === "model" ? '"b"' : "{}";
}
