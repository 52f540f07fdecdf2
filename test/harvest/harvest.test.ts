// Each name that a backend or a client of the snapshot takes is one that somebody looked at: known, listed, or left unknown
// on purpose. The snapshot is committed, so that a release elsewhere breaks no build here; `npm run harvest` renews it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, test } from "node:test";
import { createTempFolder } from "../support/temp-folder.ts";
import { backends } from "./backends.ts";
import { classOf, readLeftUnknown, readSnapshot, unclassified } from "./classes.ts";
import { declaredNames, goNames } from "./read-names.ts";
import type { Place } from "./rules.ts";

const snapshot = readSnapshot();

test("every harvested name has a class (test/harvest/left-unknown.json, or a table)", () => {
  assert.deepEqual(unclassified(snapshot), []);
});

test("the snapshot has every backend of the list, with a version and names alone", () => {
  assert.deepEqual(
    snapshot.map((part) => part.backend),
    backends.map((each) => each.backend),
  );
  for (const part of snapshot) {
    assert.match(part.version, /^v?\d+\.\d+/, part.backend);
    assert.ok(part.names.length > 20, `${part.backend}: ${part.names.length} names`);
    assert.deepEqual(Object.keys(part).sort(), ["backend", "names", "package", "version"]);
    for (const { name, from } of part.names) {
      assert.match(name, /^[A-Za-z_$][\w.$-]{0,79}$/);
      assert.match(from, /^[\w./@-]+$/);
    }
  }
});

describe("a made-up name", () => {
  const before = new Set(unclassified(snapshot));
  const places: readonly Place[] = ["top", "metadata", "form", "header", "tool"];
  for (const [index, part] of snapshot.entries()) {
    it(`is found in ${part.backend}, first, last and between others`, () => {
      for (const place of places) {
        const name = place === "tool" ? "made_up_engine" : "x-made-up";
        for (const at of [0, Math.floor(part.names.length / 2), part.names.length]) {
          const names = part.names.toSpliced(at, 0, { name, place, from: "made/up.py" });
          const changed = snapshot.with(index, { ...part, names });
          const found = unclassified(changed).filter((each) => !before.has(each));
          assert.deepEqual(found, [`${part.backend}: ${name} (${place})`]);
        }
      }
    });
  }
});

test("the names left unknown are harvested ones, in no table, each once", () => {
  const harvested = new Set(
    snapshot.flatMap(({ names }) => names.map(({ name, place }) => `${name} ${place}`)),
  );
  const seen = new Set<string>();
  for (const { names, place, reason } of readLeftUnknown()) {
    assert.ok(reason.length > 20, reason);
    for (const name of names) {
      const spelled = `${name} ${place}`;
      assert.ok(harvested.has(spelled), `${spelled} is not harvested any more`);
      assert.equal(classOf({ name, place }, []), undefined, `${spelled} stands in a table`);
      assert.ok(!seen.has(spelled), `${spelled} stands there twice`);
      seen.add(spelled);
    }
  }
});

test("Go's structs are read by their tags", () => {
  const text = [
    "type ChatRequest struct {",
    '\tModel string `json:"model"`',
    '\tKeep *Duration `json:"keep_alive,omitempty"`',
    '\tHidden string `json:"-"`',
    "}",
    "",
    "type ChatResponse struct {",
    '\tDone bool `json:"done"`',
    "}",
  ].join("\n");
  assert.deepEqual(goNames(text, /Request$/), ["model", "keep_alive"]);
});

test("TypeScript's declarations are read one level deep", () => {
  const text = [
    "export interface CreateParamsBase {",
    "    model: string;",
    "    /** about */",
    "    top_p?: number | null;",
    "    nested?: {",
    "        inner?: string;",
    "    };",
    "    'quoted-name'?: string;",
    "}",
    "export type Chat$Outbound = {",
    "    models?: string[];",
    "};",
  ].join("\n");
  assert.deepEqual(declaredNames(text, /ParamsBase$/), ["model", "top_p", "nested", "quoted-name"]);
  assert.deepEqual(declaredNames(text, /\$Outbound$/), ["models"]);
});

const python = spawnSync("python3", ["--version"]).status === 0;
const skip = python ? false : "needs python3";

test("Python's classes, functions, lists and look-ups are read without running them", {
  skip,
}, () => {
  const folder = createTempFolder("harvest");
  mkdirSync(join(folder.path, "pkg"));
  const source = `
raise SystemExit("it was run")
class ChatRequest(Base):
    model: str
    async_: bool = Field(alias="async")
    other = 1
class Response:
    done: bool
Extra = TypedDict("ExtraRequest", {"x-odd": str})
BANNED = frozenset({"api_base", *MORE, "user_config"})
def completion(model, *, timeout=None, **kwargs): pass
def handle(data, headers):
    data.get("prompt_id"); self.data["tags"]; "fallbacks" in data; (data or {}).pop("mock")
    other.get("no"); request.headers.get("X-Model")
`;
  writeFileSync(join(folder.path, "pkg/main.py"), source);
  const rule = (read: string, names: string, place: Place) => ({
    read,
    names,
    place,
    files: ["pkg/*.py"],
  });
  const rules = [
    rule("classes", "Request$", "top"),
    rule("lists", "^BANNED$", "top"),
    rule("parameters", "^completion$", "top"),
    rule("lookups", "^data$", "top"),
    rule("lookups", "headers$", "header"),
  ];
  const input = join(folder.path, "rules.json");
  writeFileSync(input, JSON.stringify({ root: folder.path, rules }));
  const ran = spawnSync("python3", [join(import.meta.dirname, "read_python.py"), input], {
    encoding: "utf8",
  });
  folder.remove();
  assert.equal(ran.status, 0, ran.stderr);
  const found = (JSON.parse(ran.stdout) as [string, string, string][]).map(([name]) => name);
  const wanted =
    "api_base async fallbacks mock model prompt_id tags timeout user_config x-model x-odd";
  assert.deepEqual(found, wanted.split(" "));
});
