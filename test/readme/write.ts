// Writes the README's tables anew from the code's lists. Run: npm run docs

import { readFileSync, writeFileSync } from "node:fs";
import { readmeTables, tableUnder } from "./tables.ts";

const file = new URL("../../README.md", import.meta.url);
let readme = readFileSync(file, "utf8");
for (const [heading, rows] of readmeTables) {
  const old = tableUnder(readme, heading);
  if (old.length === 0) throw new Error(`README.md has no table under "## ${heading}"`);
  const [before = "", after = ""] = readme.split(`\n## ${heading}\n`);
  readme = `${before}\n## ${heading}\n${after.replace(old.join("\n"), () => rows.join("\n"))}`;
}
writeFileSync(file, readme);
