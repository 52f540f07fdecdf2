// The controller's flags: the catalogue is open unless somebody says the word.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readControllerFlags } from "../../../src/commands/controller/flags.ts";
import { recordOutput } from "../output-recorder.ts";

function catalogueOf(args: readonly string[], env: Readonly<Record<string, string>> = {}): unknown {
  const output = recordOutput();
  const flags = readControllerFlags(["--configmap", "p", ...args], { ...output, env });
  return typeof flags === "number" ? [flags, output.printed().stderr] : flags.catalogue;
}

test("readControllerFlags takes the catalogue from the flag, else the variable, else open", () => {
  const variable = { ALIASGUARD_CATALOGUE: "closed" };
  assert.equal(catalogueOf([]), "open");
  assert.equal(catalogueOf([], variable), "closed");
  assert.equal(catalogueOf(["--catalogue", "closed"]), "closed");
  assert.equal(catalogueOf(["--catalogue", "open"], variable), "open");
});

test("readControllerFlags refuses any other word, and says which are taken", () => {
  for (const word of ["", "shut", "Closed"]) {
    const [code, stderr] = catalogueOf(["--catalogue", word]) as [number, string];
    assert.equal(code, 2, word);
    assert.match(stderr, /catalogue.*open.*closed/);
  }
});
