// The tables of docs/ are the code's closed lists.

import assert from "node:assert/strict";
import { test } from "node:test";
import { tableUnder } from "./docs/markdown.ts";
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
