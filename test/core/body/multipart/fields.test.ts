// The parts of a form beside the model: judged like the keys of a JSON body, whatever a parser makes of their brackets.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nestedModelsMax } from "../../../../src/core/body/draft.ts";
import { fieldPath, fieldRows } from "../../../../src/core/body/fields.ts";
import { jsonValueBytesMax } from "../../../../src/core/body/multipart/fields.ts";
import { answerOf, field, file, formOf, type PartText, readForm } from "./forms.ts";

const model = field("model", "m");

function answer(...parts: readonly PartText[]): string {
  return answerOf(readForm(formOf([model, ...parts])));
}

test("readMultipartBody refuses every listed field that it refuses in a JSON body", () => {
  let count = 0;
  for (const row of fieldRows) {
    const isTop = row.place === "top" && row.dialect === undefined;
    if (row.rule !== "refused" || !isTop) continue;
    count++;
    const name = row.name.replace("*", "x");
    const wanted = `field_not_allowed ${name}`;
    for (const value of ["x", "", "null", "{}", "[]", "y".repeat(5000)]) {
      assert.equal(answer(field(name, value)), wanted, `${name}=${value.slice(0, 9)}`);
    }
    for (const suffix of ["[]", "[0]", "[x]", "[][x]", "[model]"]) {
      assert.equal(answer(field(name + suffix, "x")), wanted, name + suffix);
    }
    assert.equal(answer(file(name, "x")), wanted);
    const allowed = readForm(formOf([model, field(name, "x")]), { bodyFields: [fieldPath(row)] });
    assert.equal(answerOf(allowed), "ok", name);
  }
  assert.ok(count > 30);
});

test("readMultipartBody refuses names that sloppy parsers take for the model or a listed field", () => {
  for (const name of ["Model", "MODEL", "mo_del", "mod-el", "_model", "model_"]) {
    assert.equal(answer(field(name, "x")), "body_key_not_allowed model", name);
  }
  for (const name of ["model[]", "model[0]", "model[name]", "model.x", "model[][]", "mo.del"]) {
    assert.equal(answer(field(name, "x")), "body_key_not_allowed model", name);
  }
  assert.equal(answer(field("models[]", "x")), "field_not_allowed models");
  assert.equal(answer(field("Fallbacks[]", "x")), "body_key_not_allowed fallbacks");
  assert.equal(answer(field("api.base", "x")), "body_key_not_allowed api_base");
  assert.equal(answer(field("api-base", "x")), "body_key_not_allowed api_base");
  assert.equal(answer(field("svg.model", "x")), "body_key_not_allowed svg");
  assert.equal(answer(field("aws.region", "x")), "body_key_not_allowed aws_*");
  assert.equal(answer(field("svg[Model]", "x")), "body_key_not_allowed svg.model");
  assert.equal(answer(field("svg[mo_del]", "x")), "body_key_not_allowed svg.model");
  for (const name of ["x.y", "a-b", "modeling", "x[model]", "modelx[]"]) {
    const [base = ""] = name.split("[");
    assert.equal(answer(field(name, "x")), `field_not_allowed ${base}`, name);
    const onLeaf = readForm(formOf([model, field(name, "x")]), { backend: "leaf" });
    assert.equal(answerOf(onLeaf), "ok", name);
  }
});

test("readMultipartBody refuses names whose brackets do not pair", () => {
  for (const name of ["[model]", "svg[", "svg]", "svg[model", "svg[[model]]", "svg[model]x"]) {
    assert.equal(answer(field(name, "x")), "body_key_not_allowed", name);
  }
  for (const name of ["tools[0].model", ".svg", "svg.", "x[a.b]", "[]"]) {
    assert.equal(answer(field(name, "x")), "body_key_not_allowed", name);
  }
});

test("readMultipartBody refuses names that change how a form is read", () => {
  const names = ["_charset_", "_CHARSET_", "_method", "__proto__", "constructor", "prototype"];
  for (const name of names) {
    assert.equal(answer(field(name, "x")), `body_key_not_allowed ${name}`);
    assert.equal(answer(field(`x[${name}]`, "y")), `body_key_not_allowed ${name}`);
  }
});

test("readMultipartBody checks nested models that stand in brackets, as bare text", () => {
  const body = formOf([
    field("svg[model]", "author"),
    model,
    field("safety_model", "guard/1"),
    field("tools[0][model]", "t1"),
    field("tools[][svg][model]", "t2"),
    field("tools[x][model]", "t3"),
  ]);
  const reading = readForm(body);
  assert.ok(reading.ok);
  const token = (name: string, place: string) => {
    const offset = body.indexOf(`\r\n${name}\r\n`) + 2;
    return { name, offset, length: name.length, place, form: "bare", prefix: "" };
  };
  assert.deepEqual(reading.nestedModels, [
    token("author", "svg.model"),
    token("guard/1", "safety_model"),
    token("t1", "tools[].model"),
    token("t2", "tools[].svg.model"),
    token("t3", "tools[].model"),
  ]);
});

test("readMultipartBody refuses nested models that are none, or stand where parsers differ", () => {
  for (const value of ["", " a", '"a"', "é", "\xff", "a\r\n", "x".repeat(257)]) {
    assert.equal(answer(field("svg[model]", value)), "model_invalid svg.model", value);
  }
  assert.equal(answer(field("svg[model][x]", "a")), "model_invalid svg.model");
  assert.equal(answer(file("svg[model]", "a")), "field_not_allowed svg");
  const [headers, value] = field("svg[model]", "a");
  const typed: PartText = [`${headers}\r\nContent-Type: text/plain; charset=utf-16`, value];
  assert.equal(answer(typed), "field_not_allowed svg");
  const json: PartText = [`${headers}\r\nContent-Type: application/json`, value];
  assert.equal(answer(json), "field_not_allowed svg.model");
  const twice = [field("svg[model]", "a"), field("svg[model]", "a")];
  assert.equal(answer(...twice), "body_duplicate_key svg");
  const many = Array.from({ length: nestedModelsMax }, () => field("tools[][model]", "a"));
  assert.equal(answer(...many), "ok");
  assert.equal(answer(...many, field("svg[model]", "a")), "field_not_allowed svg.model");
});

test("readMultipartBody reads a value that is JSON where the table names places in it", () => {
  const svg = '\r\n{"quality":[{}],"mod\\u0065l" : "au\\u0074hor"}';
  const body = formOf([field("svg", svg), model, field("tools[1]", '{"model":"t1"}')]);
  const reading = readForm(body);
  assert.ok(reading.ok, answerOf(reading));
  const rest = { form: "json", prefix: "" };
  assert.deepEqual(reading.nestedModels, [
    { name: "author", offset: body.indexOf('"au'), length: 13, place: "svg.model", ...rest },
    { name: "t1", offset: body.indexOf('"t1"'), length: 4, place: "tools[].model", ...rest },
  ]);
  const [headers] = field("svg", "");
  const typed: PartText = [`${headers}\r\nContent-Type: application/json`, svg];
  assert.equal(answer(typed), "ok");
  assert.equal(
    answer(field("metadata", '{"langfuse_host":"x"}')),
    "field_not_allowed metadata.langfuse_host",
  );
  assert.equal(
    answer(field("metadata[langfuse_host]", "x")),
    "field_not_allowed metadata.langfuse_host",
  );
  assert.equal(
    answer(field("metadata[langfuse_host][]", "")),
    "field_not_allowed metadata.langfuse_host",
  );
  assert.equal(
    answer(field("compound_custom[models][]", "x")),
    "field_not_allowed compound_custom.models",
  );
  for (const honest of ['{"a":1}', '{"naïve":{}}', "[1,2]", "plain", "", "null", "[text]"]) {
    const value = Buffer.from(honest).toString("latin1");
    assert.equal(answer(field("metadata", value)), "ok", honest);
  }
  assert.equal(answer(field("metadata[tag]", "a {b}")), "ok");
});

test("readMultipartBody refuses a value there that only some parser takes for JSON", () => {
  const wrong: readonly (readonly [value: string, answer: string])[] = [
    ["{", "body_not_json"],
    ["{'model':'x'}", "body_not_json"],
    ["{model:x}", "body_not_json"],
    ['x{"model":"x"}', "body_not_json"],
    ['{"model":"x"} {}', "body_not_json"],
    ['{},"fallbacks":{}', "body_not_json"],
    ['{}},"fallbacks":[{}', "body_not_json"],
    ['{"a":"\xff"}', "body_not_json"],
    ['{"model":"x","model":"x"}', "body_duplicate_key"],
    ['{"model":1}', "model_invalid svg.model"],
    ['{"Model":"x"}', "body_key_not_allowed svg.model"],
    [`["${"x".repeat(jsonValueBytesMax)}",{}]`, "field_not_allowed svg"],
    ["{".repeat(5000), "body_not_json"],
    [`${"[".repeat(5000)}{`, "body_too_deep"],
  ];
  for (const [value, wanted] of wrong) {
    assert.equal(answer(field("svg", value)), wanted, value.slice(0, 40));
  }
  assert.equal(answer(file("svg", '{"model":"x"}')), "field_not_allowed svg");
  const [headers] = field("svg", "");
  for (const type of ["text/html", "text/plain; charset=utf-7", "application/octet-stream"]) {
    const typed: PartText = [`${headers}\r\nContent-Type: ${type}`, "+AHs-"];
    assert.equal(answer(typed), "field_not_allowed svg", type);
  }
});

test("readMultipartBody notes what it does not know, and of which types the tools are", () => {
  const reading = readForm(
    formOf([
      field("provider[order][]", "x"),
      model,
      field("vendor_option", "x"),
      field("tools[0][type]", "mcp"),
      field("temperature", "0"),
      file("image[]", "x"),
      file("image[]", "y"),
      field("file", "x"),
      field("file", "y"),
      field("vendor_option", "y"),
    ]),
    { bodyFields: ["provider", "vendor_option"] },
  );
  assert.ok(reading.ok, answerOf(reading));
  const found = reading.fields.map(({ path, refusedFor }) => `${path} ${refusedFor}`);
  assert.deepEqual(found, ["provider router", "vendor_option router", "vendor_option router"]);
  assert.deepEqual([...reading.toolTypes], ["mcp"]);
  const anthropic = readForm(formOf([model, field("language", "de")]), { dialect: "anthropic" });
  assert.equal(answerOf(anthropic), "field_not_allowed language");
});

test("readMultipartBody lets nothing but lists repeat a listed field", () => {
  const twice = (name: string): string => answer(field(name, "x"), field(name, "x"));
  for (const name of ["provider", "metadata", "metadata[a]", "tools[0][type]", "safety_model"]) {
    assert.match(twice(name), /^body_duplicate_key /, name);
  }
  for (const name of ["image", "prompt", "include", "timestamp_granularities[]", "tools[][type]"]) {
    assert.equal(twice(name), "ok", name);
  }
});

test("readMultipartBody knows what uploads of other vendors hold, in forms alone", () => {
  for (const name of ["url", "diarize", "file_id", "hotwords", "languages[]"]) {
    assert.equal(answer(field(name, "x")), "ok", name);
  }
  assert.equal(answer(field("urls", "x")), "field_not_allowed urls");
  const anthropic = readForm(formOf([model, field("url", "x")]), { dialect: "anthropic" });
  assert.equal(answerOf(anthropic), "field_not_allowed url");
});

test("readMultipartBody refuses parts that nobody knows, first, last and between others", () => {
  const known = [model, field("prompt", "x"), file("file", "y")];
  for (const name of [
    "prompt_id",
    "mock_timeout",
    "tags",
    "tags[]",
    "tags[0]",
    "x_new",
    "x_new[a]",
  ]) {
    for (let at = 0; at <= known.length; at++) {
      const parts = known.toSpliced(at, 0, field(name, "v"));
      const [base = ""] = name.split("[");
      assert.equal(answerOf(readForm(formOf(parts))), `field_not_allowed ${base}`, name);
    }
  }
});

test("readMultipartBody judges metadata in every spelling that a router reads", () => {
  const rows: readonly (readonly [name: string, value: string, answer: string])[] = [
    ["metadata", '{"tags":["paid"]}', "field_not_allowed metadata.tags"],
    ["metadata", '"{\\"tags\\":1}"', "field_not_allowed metadata.tags"],
    ["metadata", "{'tags': 1}", "body_not_json"],
    ["metadata[tags]", "paid", "field_not_allowed metadata.tags"],
    ["metadata[tags][]", "paid", "field_not_allowed metadata.tags"],
    ["metadata[guardrails][0]", "x", "field_not_allowed metadata.guardrails"],
    ["metadata[user_api_key_hash]", "x", "field_not_allowed metadata.user_api_key_hash"],
    ["metadata[]", "x", "field_not_allowed metadata"],
    ["metadata.tags", "x", "body_key_not_allowed metadata"],
    ["metadata[user_id]", "u", "ok"],
    ["metadata", '{"user_id":"u"}', "ok"],
    ["metadata", "plain", "ok"],
  ];
  for (const [name, value, wanted] of rows) {
    const got = answer(field(name, value));
    assert.equal(wanted === "body_not_json" ? got.split(" ")[0] : got, wanted, `${name}=${value}`);
  }
});

test("readMultipartBody looks through every tool, for its type stands in another part", () => {
  const parts = [
    field("tools[0][type]", "function"),
    field("tools[0][parameters][model]", "t1"),
    field("tools[1]", '{"type":"function","parameters":{"analysis_models":["t2"]}}'),
    field("deferred_tools[0][x][modelName]", "t3"),
  ];
  const reading = readForm(formOf([model, ...parts]));
  assert.ok(reading.ok, answerOf(reading));
  assert.deepEqual(
    reading.nestedModels.map(({ name, place }) => `${place}=${name}`),
    [
      "tools[].parameters.model=t1",
      "tools[].parameters.analysis_models[]=t2",
      "deferred_tools[].x.modelName=t3",
    ],
  );
});
