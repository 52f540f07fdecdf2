// "Every parser agrees": what the scanner admits, other parsers read as the same model. Python's json, SQLite's JSON
// (lenient: it takes JSON5) and JSON.parse read thousands of admitted bodies made of what parsers quarrel about.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { readJsonBody } from "../../../src/core/body/json-body.ts";
import { createJsonScanner } from "../../../src/core/json/scan.ts";

const scanner = createJsonScanner({ hashSeed: 5 });

/** Members that some parser takes for the model, or reads in a way of its own. */
const members: readonly string[] = [
  '"model":"good"',
  '"model" :\t"g\\u006f\\/od"',
  '"model":"a b"',
  '"model":"evil"',
  '"Model":"evil"',
  '"mOdel":"evil"',
  '"m\\u006fdel":"evil"',
  '"mod el":"evil"',
  '"model ":"evil"',
  '"model\\u0000":"evil"',
  '"model\u007f":"evil"',
  '"model.":"evil"',
  '"$.model":"evil"',
  '"model[]":"evil"',
  '"messages":[{"role":"user","model":"evil"}]',
  '"x":{"model":"evil"}',
  '"x":[{"model":"evil"}]',
  '"n":1e400',
  '"n":-0',
  '"n":12345678901234567890',
  '"s":"\\ud800"',
  '"s":"\u007f\u2028\ufeff"',
  '"":1',
  '"__proto__":{"model":"evil"}',
  '"constructor":{"model":"evil"}',
  '"o":{"k":1,"\\u006b2":2}',
  "// comment\n",
  "'model':'evil'",
  "model:'evil'",
];

/** The same numbers in every run. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Admitted bodies and the models that we read in them. */
function admittedBodies(count: number): readonly (readonly [body: Buffer, model: string])[] {
  const random = createRandom(777);
  const admitted: [Buffer, string][] = [];
  for (let tried = 0; admitted.length < count && tried < count * 100; tried++) {
    const parts = Array.from({ length: 1 + random(4) }, () => members[random(members.length)]);
    const body = Buffer.from(`{${parts.join(random(8) === 0 ? " ,\n" : ",")}}`);
    if (random(2) === 0) body[random(body.length)] = random(256);
    const options = { dialect: "openai", scanner } as const;
    const reading = readJsonBody(body, options);
    if (reading.ok && reading.model) admitted.push([body, reading.model.name]);
  }
  return admitted;
}

/** Prints how many bodies it read and each that one of its parsers reads otherwise. */
const python = `
import base64, json, sqlite3, sys
database = sqlite3.connect(":memory:")
has_json = True
try:
    database.execute("select json_extract('{}', '$.a')")
except sqlite3.OperationalError:
    has_json = False
read = 0
for line in sys.stdin:
    body, model = (base64.b64decode(part) for part in line.split())
    read += 1
    if json.loads(body)["model"] != model.decode():
        print("json:", body)
    # SQLite ends a text at a NUL.
    if has_json and b"\\\\u0000" not in body and b"\\0" not in body:
        found = database.execute("select json_extract(?, '$.model')", (body.decode(),)).fetchone()[0]
        if found != model.decode():
            print("sqlite:", body)
print("read", read)
`;

const bodies = admittedBodies(15_000);

test("JSON.parse reads the same model in every admitted body", () => {
  assert.equal(bodies.length, 15_000);
  for (const [body, model] of bodies) {
    assert.equal((JSON.parse(body.toString()) as { model: string }).model, model);
  }
});

const hasPython = spawnSync("python3", ["--version"]).status === 0;
const skip = hasPython || process.env["CI"] === "true" ? false : "install python3 to run this";

test("Python and SQLite read the same model in every admitted body", { skip }, () => {
  const input = bodies
    .map(([body, model]) => `${body.toString("base64")} ${Buffer.from(model).toString("base64")}\n`)
    .join("");
  const ran = spawnSync("python3", ["-c", python], { input, encoding: "utf8" });
  assert.equal(ran.stderr, "");
  assert.equal(ran.stdout, `read ${bodies.length}\n`);
});
