// docs/policy.md has every field of every custom resource, once in a table and once in an example, and none that is not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { crdDefinitions } from "../../helm/crd-schemas.ts";
import { fieldPathsOf, kindOf, pathsOfValue } from "./field-paths.ts";
import { tableUnder } from "./markdown.ts";
import { manifestBlocks, pages } from "./pages.ts";

const page = pages.get("docs/policy.md") ?? "";

const rowsUnder = (heading: string): readonly (readonly string[])[] =>
  tableUnder(page, heading)
    .slice(2)
    .map((line) => line.split("|").map((cell) => cell.trim().replaceAll("`", "")));

const statusRows = rowsUnder("Status");
const examples = manifestBlocks
  .filter((block) => block.page === "docs/policy.md")
  .flatMap(({ text }) => parseAllDocuments(text).map((each) => each.toJS() as { kind: string }));

for (const definition of crdDefinitions.values()) {
  const kind = kindOf(definition);
  const fields = fieldPathsOf(definition);

  test(`docs/policy.md has a line for each field of ${kind}`, () => {
    const listed = [
      ...rowsUnder(kind).map(([, path]) => path),
      ...statusRows
        .filter(([, , of]) => of === kind || of === "every kind")
        .map(([, path]) => path),
    ];
    assert.ok(fields.length > 5);
    assert.deepEqual(listed.toSorted(), fields.toSorted());
  });

  test(`docs/policy.md has an example of each field of ${kind}`, () => {
    const shown = new Set(
      examples.filter((each) => each.kind === kind).flatMap((each) => pathsOfValue(each)),
    );
    const wanted = fields.filter((path) => path.startsWith("spec."));
    assert.deepEqual(
      wanted.filter((path) => !shown.has(path)),
      [],
    );
  });
}
