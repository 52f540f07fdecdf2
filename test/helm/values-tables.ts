// The tables of the chart's README: values from values.yaml and its `# --` comments, settings from src/settings/settings.ts.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isMap, isScalar, parseDocument, type YAMLMap } from "yaml";
import { type SettingRow, settingRows } from "../../src/settings/settings.ts";
import { tlsRows } from "../../src/settings/tls.ts";
import { chartFolder } from "./run-helm.ts";

export type ValueRow = {
  readonly path: string;
  readonly default: unknown;
  /** Undefined: values.yaml says nothing of it. */
  readonly text: string | undefined;
};

/** Settings that the chart gives on the command line, or that mean nothing in it. */
export const settingsOfTheChart: ReadonlySet<string> = new Set<string>([
  ...["policy", "policy-configmap", "listen", "admin", "socket-mode", "upstream-credentials"],
  "catalogue",
  ...tlsRows.map(({ flag }) => flag),
]);

/** Every value that values.yaml describes, or that is described nowhere. */
export function valueRows(): readonly ValueRow[] {
  const document = parseDocument(readFileSync(join(chartFolder, "values.yaml"), "utf8"));
  if (!isMap(document.contents)) throw new Error("values.yaml is no map");
  return rowsOf(document.contents, "");
}

function rowsOf(map: YAMLMap, prefix: string): readonly ValueRow[] {
  // The parser gives the comment above the first pair of a map to the map.
  return map.items.flatMap((pair, at) => {
    if (!isScalar(pair.key)) throw new Error(`a key under ${prefix} is no name`);
    const path = `${prefix}${String(pair.key.value)}`;
    const comment = pair.key.commentBefore ?? (at === 0 ? (map.commentBefore ?? "") : "");
    const [, text] = /(?:^|\n) -- (.*)$/.exec(comment) ?? [];
    if (text === undefined && isMap(pair.value) && pair.value.items.length > 0) {
      return rowsOf(pair.value, `${path}.`);
    }
    const value = isMap(pair.value) || isScalar(pair.value) ? pair.value.toJSON() : pair.value;
    return [{ path, default: JSON.parse(JSON.stringify(value)) as unknown, text }];
  });
}

/** drain-delay-ms -> drainDelayMs */
export function settingName(flag: string): string {
  return flag.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

export function chartSettings(): readonly SettingRow[] {
  return settingRows.filter(({ flag }) => !settingsOfTheChart.has(flag));
}

const cell = (text: string): string => text.replaceAll("|", "\\|");

/** Tables of the README by their heading. */
export function readmeTables(): ReadonlyMap<string, readonly string[]> {
  const values = valueRows().map(
    (row) =>
      `| \`${row.path}\` | \`${cell(JSON.stringify(row.default))}\` | ${cell(row.text ?? "")} |`,
  );
  const settings = chartSettings().map(
    (row) =>
      `| \`${settingName(row.flag)}\` | ${row.default === "" ? "" : `\`${cell(row.default)}\``} | ${cell(row.help)} |`,
  );
  return new Map([
    ["Values", ["| value | default | what it does |", "|---|---|---|", ...values]],
    ["Settings", ["| setting | default | what it does |", "|---|---|---|", ...settings]],
  ]);
}

/** The README with its tables as they should be; the text around them stays. */
export function withTables(readme: string): string {
  let text = readme;
  for (const [heading, lines] of readmeTables()) {
    const section = new RegExp(`(\\n## ${heading}\\n[\\s\\S]*?\\n)(\\|[^\\n]*\\n)+`);
    if (!section.test(text)) throw new Error(`README.md has no table under "${heading}"`);
    text = text.replace(section, (_, before: string) => `${before}${lines.join("\n")}\n`);
  }
  return text;
}
