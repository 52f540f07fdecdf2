// What a reader takes, what it says was served, and what it passes on: on responses as backends send them.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createResponseReader,
  type ResponseModelOptions,
  saysSameModel,
} from "../../../src/core/response/model.ts";
import { json, ndjson, readAll, samples, splitAt, sse } from "./samples.ts";

const options: ResponseModelOptions = { dialect: "openai", authorized: ["gpt-x"], shown: "mine" };

function isRead(headers: Readonly<Record<string, string>>, status = 200): boolean {
  return createResponseReader(new Map(Object.entries(headers)), status, options) !== undefined;
}

test("createResponseReader takes the types that hold a model", () => {
  for (const type of [
    ...[json, ndjson, sse, "Application/JSON", "application/json ;charset=utf-8"],
    ...[
      'application/json; charset="UTF-8"',
      "text/event-stream;charset=utf8;",
      "application/json;",
    ],
  ]) {
    assert.equal(isRead({ "content-type": type }), true, type);
  }
  assert.equal(isRead({ "content-type": json, "content-encoding": " Identity " }), true);
  assert.equal(isRead({ "content-type": json }, 201), true);
});

test("createResponseReader takes no other type, encoding or status", () => {
  for (const type of [
    ...["", "text/html", "audio/mpeg", "application/jsonp", "application/json-seq", "text/json"],
    ...["application/json,application/json", "application/json; charset=utf-16", "__proto__"],
    ...["application/vnd.amazon.eventstream", "x".repeat(10_000), "application/jso\u0274"],
  ]) {
    assert.equal(isRead({ "content-type": type }), false, type.slice(0, 40));
  }
  assert.equal(isRead({}), false);
  for (const encoding of ["gzip", "br", "zstd", "identity, gzip", "deflate", "gzip,identity"]) {
    assert.equal(isRead({ "content-type": json, "content-encoding": encoding }), false, encoding);
  }
  for (const status of [0, 100, 101, 199, 204, 205, 206, 300, 304, 400, 401, 404, 429, 500, 503]) {
    assert.equal(isRead({ "content-type": json }, status), false, String(status));
  }
});

for (const sample of samples) {
  const { dialect, contentType, body } = sample;
  const bytes = Buffer.from(body('"gpt-x"'));
  const wanted = body('"mine"');

  test(`push shows the caller's name and changes no other byte: ${sample.name}`, () => {
    const { output, served } = readAll([bytes], { dialect, contentType, shown: "mine" });
    assert.equal(output.toString(), wanted);
    assert.notEqual(output.toString(), bytes.toString());
    assert.deepEqual(served, [{ name: "gpt-x", isAuthorized: true }]);
  });

  test(`push gives the same wherever the bytes are cut: ${sample.name}`, () => {
    const told = { dialect, contentType, shown: "mine" };
    const whole = readAll([bytes], told);
    const cuts = Array.from({ length: bytes.length + 1 }, (_, at) => [at]);
    for (const cut of [...cuts, Array.from(bytes.keys())]) {
      const { output, served } = readAll(splitAt(bytes, cut), told);
      assert.equal(output.equals(whole.output), true, `cut at ${cut}`);
      assert.deepEqual(served, whole.served);
    }
  });

  test(`push passes on the very chunk when nothing is to be shown: ${sample.name}`, () => {
    const headers = new Map([["content-type", contentType]]);
    const reader = createResponseReader(headers, 200, { ...options, dialect, shown: undefined });
    assert.ok(reader);
    const chunks = splitAt(bytes, Array.from(bytes.keys()));
    assert.ok(chunks.every((chunk) => reader.push(chunk, false) === chunk));
    assert.deepEqual(reader.served(), [{ name: "gpt-x", isAuthorized: true }]);
  });

  test(`served tells another model apart: ${sample.name}`, () => {
    const other = Buffer.from(body('"gpt-other"'));
    const { output, served } = readAll([other], { dialect, contentType, shown: "mine" });
    assert.deepEqual(served, [{ name: "gpt-other", isAuthorized: false }]);
    assert.equal(output.toString(), wanted);
  });
}

test("push never holds back an event that is complete, nor the text before a model", () => {
  for (const { dialect, contentType, body } of samples.filter(
    (each) => each.contentType !== json,
  )) {
    const text = body('"gpt-x"');
    const events = text.split(/(?<=\n)/).map((line) => Buffer.from(line));
    const { heldMax } = readAll(events, { dialect, contentType, shown: "gpt-x" });
    assert.equal(heldMax, 0);
  }
});

test("push holds back no more than the name that is cut", () => {
  const told = { dialect: "openai", contentType: json, shown: "gpt-x" } as const;
  const bytes = Buffer.from('{"id":"a long text that nobody holds","model":"gpt-x"}');
  const each = splitAt(bytes, Array.from(bytes.keys()));
  assert.equal(readAll(each, told).heldMax, '"model'.length);
});

test("push puts a name of quotes, escapes and non-ASCII where the model stands", () => {
  for (const shown of [
    'a"b\\c\u0000\n',
    "Ünï/☃😀",
    "__proto__",
    "",
    "x".repeat(10_000),
    "\ud800",
  ]) {
    const bytes = Buffer.from('{"a":1, "model" : "gpt-x" ,"b":[]}');
    const { output } = readAll([bytes], { dialect: "openai", contentType: json, shown });
    const text = output.toString();
    assert.equal(text, `{"a":1, "model" : ${JSON.stringify(shown)} ,"b":[]}`);
  }
});

test("served lists each model once, and keeps a place for one that is not authorized", () => {
  const dates = Array.from({ length: 20 }, (_, day) => `gpt-x-2026-01-${String(day + 10)}`);
  const chunkOf = (name: string): Buffer => Buffer.from(`data: {"model":"${name}"}\n\n`);
  const names = ["gpt-x", "gpt-x", ...dates, ...dates, "evil", "worse", "gpt-x"];
  const told = { dialect: "openai", contentType: sse, shown: undefined } as const;
  const { served } = readAll(names.map(chunkOf), told);
  assert.deepEqual(
    served.map(({ name, isAuthorized }) => `${name} ${isAuthorized}`),
    ["gpt-x", ...dates.slice(0, 6)].map((name) => `${name} true`).concat("evil false"),
  );
});

test("served cuts long names and takes any of the authorized ones", () => {
  const told = { dialect: "openai", contentType: ndjson, shown: undefined } as const;
  const long = "m".repeat(1000);
  const names = [long, "__proto__", "second"];
  const bytes = Buffer.from(names.map((name) => `{"model":"${name}"}`).join("\n"));
  assert.deepEqual(readAll([bytes], { ...told, authorized: ["first", "second"] }).served, [
    { name: "m".repeat(256), isAuthorized: false },
    { name: "__proto__", isAuthorized: false },
    { name: "second", isAuthorized: true },
  ]);
  assert.deepEqual(
    readAll([bytes], { ...told, authorized: [] }).served.map((each) => each.isAuthorized),
    [false, false, false],
  );
});

const same = [
  ["gpt-4o", "gpt-4o"],
  ["gpt-4o-2024-08-06", "gpt-4o"],
  ["gpt-4o-2024-08-06", "openai/gpt-4o"],
  ["qwen/x", "openrouter/qwen/x"],
  ["x", "openrouter/qwen/x"],
  ["claude-3-5-sonnet-20241022", "claude-3-5-sonnet-latest"],
  ["claude-3-5-sonnet-20241022", "anthropic/claude-3-5-sonnet-latest"],
  ["claude-sonnet-4-20250514", "claude-sonnet-4"],
  ["claude-3-5-sonnet-latest", "claude-3-5-sonnet-latest"],
  ["models/gemini-2.5-flash", "gemini-2.5-flash"],
  ["gemini-2.5-flash", "models/gemini-2.5-flash"],
  ["models/gemini-2.5-flash", "models/gemini-2.5-flash"],
  ["llama3:latest", "llama3"],
  ["library/llama3:latest", "library/llama3"],
  ["__proto__", "__proto__"],
] as const;

const others = [
  ["", "gpt-4o"],
  ["gpt-4o", ""],
  ["gpt-4o-mini", "gpt-4o"],
  ["gpt-4o-mini-2024-07-18", "gpt-4o"],
  ["gpt-4", "gpt-4o"],
  ["GPT-4o", "gpt-4o"],
  [" gpt-4o", "gpt-4o"],
  ["gpt-4o\u0000", "gpt-4o"],
  ["gpt-4o-2024-08-06\n", "gpt-4o"],
  ["gpt-4o-2024-0806", "gpt-4o"],
  ["gpt-4o-202408-06", "gpt-4o"],
  ["gpt-4o-2024-13-06", "gpt-4o"],
  ["gpt-4o-2024-08-32", "gpt-4o"],
  ["gpt-4o-00000000", "gpt-4o"],
  ["gpt-4o-2024-11-20", "gpt-4o-2024-08-06"],
  ["gpt-4o", "gpt-4o-2024-08-06"],
  ["evil/gpt-4o", "gpt-4o"],
  ["openrouter/qwen", "openrouter/qwen/x"],
  ["/x", "openrouter/qwen/x"],
  ["wen/x", "openrouter/qwen/x"],
  ["claude-3-5-sonnet", "claude-3-5-sonnet-latest"],
  ["claude-3-5-haiku-20241022", "claude-3-5-sonnet-latest"],
  ["-20241022", "-latest"],
  ["models/", "gemini-2.5-flash"],
  ["models/models/gemini-2.5-flash", "gemini-2.5-flash"],
  ["llama3", "llama3:latest"],
  ["llama3:8b", "llama3"],
  ["llama3:latest:latest", "llama3"],
  ["constructor", "__proto__"],
] as const;

test("saysSameModel takes the name and what providers honestly make of it", () => {
  for (const [said, asked] of same) assert.equal(saysSameModel(said, asked), true, said);
});

test("saysSameModel takes everything else for another model", () => {
  for (const [said, asked] of others) assert.equal(saysSameModel(said, asked), false, said);
});
