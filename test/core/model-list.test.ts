// Listed means callable, and a remembered list never outlives its snapshot.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createModelLister, listModels, toModelList } from "../../src/core/model-list.ts";
import { authorizeName, grant, key, model, scope, snapshot } from "./snapshot-builder.ts";

const lots = { draw: 0.5, headers: new Map<string, string>() };

test("listModels lists what can be called and nothing else", () => {
  const aliases = scope({
    good: "m1",
    bad: "m3",
    half: [
      ["m1", 1],
      ["m3", 1],
    ],
    loop: "loop",
  });
  const holder = key({
    grant: grant({ models: ["m1", "m2", "gone"], deny: ["m2"] }),
    aliases: scope({ mine: "m1" }),
  });
  const snap = snapshot({ key: holder, aliases, models: [model("m1"), model("m2"), model("m3")] });
  assert.deepEqual(listModels(snap, holder), ["good", "m1", "mine"]);
  for (const name of ["good", "bad", "half", "loop", "m1", "m2", "m3", "mine", "gone"]) {
    const isCallable = authorizeName(snap, holder, name, lots).ok;
    assert.equal(listModels(snap, holder)?.includes(name), isCallable, name);
  }
});

test("listModels leaves out hidden aliases, which can be called", () => {
  const holder = key({ grant: grant({ models: ["m"] }) });
  const snap = snapshot({ key: holder, aliases: scope({ secret: "m" }, { hidden: true }) });
  assert.deepEqual(listModels(snap, holder), ["m"]);
  assert.equal(authorizeName(snap, holder, "secret", lots).ok, true);
});

test("listModels lists nothing for a wildcard while the catalogue is open", () => {
  const holder = key({ grant: grant({ models: ["vendor/*"] }) });
  assert.deepEqual(listModels(snapshot({ key: holder }), holder), []);
  const closed = snapshot({ key: holder, models: [model("vendor/a"), model("other")] });
  assert.deepEqual(listModels(closed, holder), ["vendor/a"]);
});

test("createModelLister answers anew for a new snapshot and for another key", () => {
  const list = createModelLister();
  const holder = key({ grant: grant({ models: ["a", "b"] }) });
  const other = key({ name: "bob", grant: grant({ models: ["b"] }) });
  const open = snapshot({ key: holder });
  assert.deepEqual(list(open, holder), ["a", "b"]);
  assert.equal(list(open, holder), list(open, holder));
  assert.deepEqual(list(open, other), ["b"]);
  const closed = snapshot({ key: holder, models: [model("b")] });
  assert.deepEqual(list(closed, holder), ["b"]);
  assert.deepEqual(list(open, holder), ["a", "b"]);
});

test("createModelLister still answers right when more keys ask than it remembers", () => {
  const list = createModelLister();
  const snap = snapshot({});
  const keys = Array.from({ length: 200 }, (_, at) =>
    key({ name: `key-${at}`, grant: grant({ models: [`m${at}`] }) }),
  );
  for (const [at, each] of [...keys, ...keys].entries()) {
    assert.deepEqual(list(snap, each), [`m${at % 200}`]);
  }
});

test("toModelList pages Gemini's list, without a gap or a repetition", () => {
  const names = ["a", "b/c", "d", "e", "f"];
  for (const size of ["1", "2", "3", "5", "9", "", "x", "-1", "0", "1.5"]) {
    const seen: string[] = [];
    let token: string | undefined = "";
    for (let page = 0; token !== undefined; page += 1) {
      assert.ok(page <= names.length);
      const query: string = `pageSize=${size}&pageToken=${encodeURIComponent(token)}`;
      const list = toModelList("gemini", snapshot({}), { names, query }) as {
        readonly models: readonly { readonly name: string }[];
        readonly nextPageToken?: string;
      };
      seen.push(...list.models.map(({ name }) => name.replace("models/", "")));
      token = list.nextPageToken;
    }
    assert.deepEqual(seen, names, size);
  }
});

test("toModelList pages Anthropic's list both ways, without a gap or a repetition", () => {
  const names = ["a", "b", "c", "d", "e"];
  const page = (query: string): unknown => {
    const list = toModelList("anthropic", snapshot({}), { names, query }) as {
      data: { id: string }[];
      has_more: boolean;
    };
    return [list.data.map(({ id }) => id).join(""), list.has_more];
  };
  assert.deepEqual(page(""), ["abcde", false]);
  assert.deepEqual(page("limit=2"), ["ab", true]);
  assert.deepEqual(page("limit=2&after_id=b"), ["cd", true]);
  assert.deepEqual(page("limit=2&after_id=d"), ["e", false]);
  assert.deepEqual(page("limit=2&before_id=e"), ["cd", true]);
  assert.deepEqual(page("limit=2&before_id=b"), ["a", false]);
  for (const limit of ["0", "-1", "x", "1e9", "", "2.5"]) {
    assert.deepEqual(page(`limit=${limit}`), ["abcde", false], limit);
  }
});
