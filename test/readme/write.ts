// Writes the README's tables anew from the code's lists. Run: npm run docs

import { readFileSync, writeFileSync } from "node:fs";
import { readmeTables, splitAt, tableUnder } from "./tables.ts";

const file = new URL("../../README.md", import.meta.url);
let readme = readFileSync(file, "utf8");
for (const [heading, rows] of readmeTables) {
  const [before, line, after] = splitAt(readme, heading);
  const head = /^\|.*\|\n\|[-|]+\|\n/m.exec(after)?.[0];
  if (head === undefined) throw new Error(`README.md has no table under "${heading}"`);
  const start = after.indexOf(head) + head.length;
  const end = start + tableUnder(readme, heading).join("\n").length;
  readme = `${before}${line}${after.slice(0, start)}${rows.join("\n")}${after.slice(end)}`;
}
writeFileSync(file, readme);
