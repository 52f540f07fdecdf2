// Targets: edits that change one thing, and names that every reader of URLs reads back.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeOnce,
  editTarget,
  encodeModel,
  modelIn,
  parametersOf,
  splitTarget,
} from "../../../src/core/http/target.ts";
import { isPathSafeModelName } from "../../../src/core/permission/model-name.ts";

const edited = (target: string, edits: Parameters<typeof editTarget>[1]): string =>
  editTarget(splitTarget(target), edits);

test("editTarget takes a parameter out wherever it stands", () => {
  const remove = new Set(["key"]);
  assert.equal(edited("/a?key=1", { remove }), "/a");
  assert.equal(edited("/a?key=1&b=2", { remove }), "/a?b=2");
  assert.equal(edited("/a?b=2&key=1", { remove }), "/a?b=2");
  assert.equal(edited("/a?b=2&key=1&c=%41&d", { remove }), "/a?b=2&c=%41&d");
  assert.equal(edited("/a?key&b", { remove }), "/a?b");
  assert.equal(edited("/a?keys=1&ke=y", { remove }), "/a?keys=1&ke=y");
});

test("editTarget replaces a path or a value and nothing beside it", () => {
  const replace = new Map([["model", "x%2Fy"]]);
  assert.equal(edited("/a?m=1&model=q&model2=q", { replace }), "/a?m=1&model=x%2Fy&model2=q");
  assert.equal(edited("/a/b?c=%2f", { path: "/d" }), "/d?c=%2f");
  assert.equal(edited("/a", {}), "/a");
});

test("parametersOf splits at & and the first =", () => {
  assert.deepEqual(parametersOf("a=b=c&d&=e&"), [
    { name: "a", value: "b=c" },
    { name: "d", value: "" },
    { name: "", value: "e" },
    { name: "", value: "" },
  ]);
  assert.deepEqual(parametersOf(""), []);
});

test("decodeOnce decodes printable ASCII once and nothing else", () => {
  assert.equal(decodeOnce("a%2Fb%20c"), "a/b c");
  assert.equal(decodeOnce("a+b"), "a+b");
  for (const text of ["%25", "%2525", "%00", "%0a", "%7f", "%C3%A4", "%", "%2", "%zz", "\u00e4"]) {
    assert.equal(decodeOnce(text), undefined, text);
  }
});

const modelName = fc
  .stringMatching(
    /^[!$()+\-./0-9:<=>@A-Z[\]^_a-z{|}~]{1,40}( [!$()+\-./0-9:<=>@A-Z[\]^_a-z{|}~]{1,9})?$/,
  )
  .filter(isPathSafeModelName);

test("encodeModel writes a name that every decoder reads back as it is", () => {
  fc.assert(
    fc.property(modelName, (name) => {
      const text = encodeModel(name);
      assert.match(text, /^[A-Za-z0-9._~%-]+$/);
      assert.equal(modelIn(text), name);
      assert.equal(decodeURIComponent(text), name);
      // Forms take "+" for a space; a path that is resolved and decoded twice stays what it is.
      assert.equal(new URLSearchParams(`m=${text}`).get("m"), name);
      const url = new URL(`http://h/models/${text}:generateContent`);
      assert.equal(url.pathname, `/models/${text}:generateContent`);
      assert.equal(decodeURIComponent(decodeURIComponent(text)), name);
    }),
    { numRuns: 2000 },
  );
});

test("modelIn admits only what every decoder reads as the same name", () => {
  const raw = fc.stringMatching(/^[A-Za-z0-9._:/@%+~-]{1,24}$/);
  fc.assert(
    fc.property(raw, (text) => {
      const name = modelIn(text);
      if (name === undefined) return;
      assert.equal(decodeURIComponent(text), name);
      assert.equal(decodeURIComponent(decodeURIComponent(text)), name);
      const { pathname } = new URL(`http://h/v1/models/${text}`);
      assert.equal(decodeURIComponent(pathname), `/v1/models/${name}`);
    }),
    { numRuns: 20_000 },
  );
});
