// Writes the tables of docs/ anew from the code's lists, on the pages that hold their headings. Run: npm run docs

import { readFileSync, writeFileSync } from "node:fs";
import { withTable } from "./markdown.ts";
import { docTables, linesOf } from "./tables.ts";

for (const table of docTables) {
  const file = new URL(`../../docs/${table.page}`, import.meta.url);
  writeFileSync(file, withTable(readFileSync(file, "utf8"), table.heading, linesOf(table)));
}
