// The README's tables as the code's closed lists say them: compared by docs.test.ts, written by write.ts.

import { denials } from "../../src/core/decision.ts";
import { fieldRows } from "../../src/core/fields.ts";
import { bodyOperations } from "../../src/core/routes.ts";
import { settingRows } from "../../src/settings.ts";
import { metricRows } from "../../src/telemetry/metrics.ts";

const code = (text: string): string => (text === "" ? "" : `\`${text}\``);
const row = (...cells: readonly (string | number)[]): string =>
  `| ${cells.join(" | ")} |`.replaceAll("|  |", "| |");

/** Rows by the heading they stand under, without the two head lines. */
export const readmeTables: ReadonlyMap<string, readonly string[]> = new Map([
  [
    "Settings",
    settingRows.map(({ flag, variable, default: fallback, help }) =>
      row(code(`--${flag}`), code(variable), code(fallback), help),
    ),
  ],
  [
    "Operations",
    bodyOperations.map(({ path, exact, dialect }) =>
      row(code(path), exact === true ? "as it is" : "under each prefix", dialect),
    ),
  ],
  [
    "Refusals",
    Object.entries(denials).map(([reason, denial]) =>
      row(code(reason), denial.status, code(denial.code), denial.message),
    ),
  ],
  [
    "Body fields",
    fieldRows.map(({ name, place, rule, dialect, reason }) => {
      const where = place === "top" ? "top level" : code(place);
      return row(
        code(name),
        where,
        rule,
        dialect === undefined ? reason : `${reason} (${dialect})`,
      );
    }),
  ],
  ["Metrics", metricRows.map(([name, help]) => row(code(name), help))],
]);

/** The table lines of a README's section, its two head lines left out. */
export function tableUnder(readme: string, heading: string): readonly string[] {
  const section = readme.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return section
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2);
}
