// The tables of docs/ are the code's closed lists.

import assert from "node:assert/strict";
import { test } from "node:test";
import { tableUnder, withTable } from "./docs/markdown.ts";
import { pages } from "./docs/pages.ts";
import { docTables, linesOf } from "./docs/tables.ts";

for (const table of docTables) {
  test(`docs/${table.page} lists under "${table.heading}" what the code does (npm run docs)`, () => {
    assert.ok(table.rows.length > 0);
    assert.deepEqual(
      tableUnder(pages.get(`docs/${table.page}`) ?? "", table.heading),
      linesOf(table),
    );
  });
}

test("withTable puts a table where it was missing, and replaces one that is there", () => {
  const rows = ["| a |", "|---|", "| 1 |"];
  const text = rows.join("\n");
  const page = (one: string): string => `# T\n\n## One\n\n${one}## Two\n\nprose\n`;
  assert.equal(withTable(page(""), "One", rows), page(`${text}\n\n`));
  assert.equal(withTable(page("prose\n\n"), "One", rows), page(`prose\n\n${text}\n\n`));
  assert.equal(withTable(page("| b |\n|---|\n\n"), "One", rows), page(`${text}\n\n`));
  assert.equal(withTable(page(""), "Two", rows), `${page("")}\n${text}\n`);
  assert.throws(() => withTable(page(""), "Three", rows), /no heading "Three"/);
});
