// The README's tables as the code's closed lists say them: compared by docs.test.ts, written by write.ts.

import { conditionReasonRows } from "../../src/controller/reasons.ts";
import { fieldRows } from "../../src/core/body/fields.ts";
import { denials } from "../../src/core/denials.ts";
import {
  bodyOperations,
  listOperations,
  pathOperations,
  type Row,
  realtimeOperations,
} from "../../src/core/http/operations.ts";
import { settingRows } from "../../src/settings/settings.ts";
import { controllerMetricRows } from "../../src/telemetry/controller-metrics.ts";
import { metricRows } from "../../src/telemetry/metrics.ts";

const code = (text: string): string => (text === "" ? "" : `\`${text}\``);
const row = (...cells: readonly (string | number)[]): string =>
  `| ${cells.join(" | ")} |`.replaceAll("|  |", "| |");

function modelPlace({ path, body, modelParameter, answers }: Row): string {
  if (answers !== undefined) return "answered here";
  if (modelParameter !== undefined) return `query, ${code(modelParameter)}`;
  if (path.includes("{model}")) return "path";
  return body === "form" ? "form field or body, `model`" : "body, `model`";
}

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
    [...bodyOperations, ...pathOperations, ...listOperations, ...realtimeOperations].map((each) => {
      const where = each.exact === true ? "as it is" : "under each prefix";
      return row(code(`${each.method} ${each.path}`), where, modelPlace(each), each.dialect);
    }),
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
  ["Condition reasons", conditionReasonRows.map(([reason, meaning]) => row(code(reason), meaning))],
  ["Controller metrics", controllerMetricRows.map(([name, help]) => row(code(name), help))],
  ["Metrics", metricRows.map(([name, help]) => row(code(name), help))],
]);

/** The README's text before a section or subsection, its heading, and what follows it. */
export function splitAt(readme: string, heading: string): readonly [string, string, string] {
  const [line = ""] = new RegExp(`\n###? ${heading}\n`).exec(readme) ?? [];
  const at = readme.indexOf(line);
  return line === ""
    ? [readme, "", ""]
    : [readme.slice(0, at), line, readme.slice(at + line.length)];
}

/** The table lines of a README's section, its two head lines left out. */
export function tableUnder(readme: string, heading: string): readonly string[] {
  const [, , after] = splitAt(readme, heading);
  return (after.split("\n#")[0] ?? "")
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2);
}
