// The README's tables are the code's closed lists.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { denials } from "../src/core/decision.ts";
import { fieldRows } from "../src/core/fields.ts";
import { bodyOperations } from "../src/core/routes.ts";
import { settingRows } from "../src/settings.ts";
import { decisionLogFields } from "../src/telemetry/decision-log.ts";
import { metricRows } from "../src/telemetry/metrics.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

/** The rows of the table under a heading, without its two head lines. */
function tableUnder(heading: string): readonly string[] {
  const section = readme.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return section
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2);
}

test("README lists every deny reason with its status, code and message", () => {
  const rows = Object.entries(denials).map(
    ([reason, { status, code, message }]) =>
      `| \`${reason}\` | ${status} | \`${code}\` | ${message} |`,
  );
  assert.deepEqual(tableUnder("Refusals"), rows);
});

test("README lists every body field that is not simply passed on", () => {
  const rows = fieldRows.map(({ name, place, rule }) => {
    const where = place === "top" ? "top level" : `\`${place}\``;
    return `| \`${name}\` | ${where} | ${rule} |`;
  });
  assert.deepEqual(tableUnder("Body fields"), rows);
});

test("README lists every operation whose model stands in the body", () => {
  const rows = bodyOperations.map(({ path, exact, dialect }) => {
    const where = exact === true ? "as it is" : "under each prefix";
    return `| \`${path}\` | ${where} | ${dialect} |`;
  });
  assert.deepEqual(tableUnder("Operations"), rows);
});

test("README lists every setting with its variable, default and meaning", () => {
  const rows = settingRows.map(({ flag, variable, default: fallback, help }) => {
    const shown = fallback === "" ? "" : `\`${fallback}\``;
    return `| \`--${flag}\` | \`${variable}\` | ${shown} | ${help} |`;
  });
  assert.deepEqual(tableUnder("Settings"), rows);
});

test("README lists every metric and every field of the decision log", () => {
  assert.deepEqual(
    tableUnder("Metrics"),
    metricRows.map(([name, help]) => `| \`${name}\` | ${help} |`),
  );
  const fields = decisionLogFields.map((field) => `\`${field}\``).join(", ");
  assert.ok(readme.includes(`those that are known: ${fields}.`));
});
