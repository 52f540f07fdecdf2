// The tables of docs/, as the code's closed lists say them: written by write.ts (npm run docs), compared by
// ../docs.test.ts. To add one: write the heading on its page, add an entry to `docTables`, run `npm run docs`.

import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { probeFindings, probeUnseen } from "../../src/commands/probe/findings.ts";
import { probeSteps } from "../../src/commands/probe/requests.ts";
import { conditionReasonRows } from "../../src/controller/reasons.ts";
import { fieldRows } from "../../src/core/body/fields.ts";
import { knownFieldLists } from "../../src/core/body/known-fields.ts";
import { denials } from "../../src/core/denials.ts";
import { credentialCarriers } from "../../src/core/http/credential.ts";
import { type HeaderRule, headerRows, identityHeaders } from "../../src/core/http/header-table.ts";
import {
  bodyOperations,
  listOperations,
  pathOperations,
  type Row,
  realtimeOperations,
} from "../../src/core/http/operations.ts";
import { keyParameter } from "../../src/core/http/query-rules.ts";
import { upstreamCredentialHeaders } from "../../src/core/permission/snapshot.ts";
import { standInRows } from "../../src/core/permission/stand-in-models.ts";
import { findingKinds } from "../../src/doctor/findings.ts";
import { adviceRows } from "../../src/policy/compile/advice.ts";
import { settingRows } from "../../src/settings/settings.ts";
import { controllerMetricRows } from "../../src/telemetry/controller-metrics.ts";
import { decisionLogFields, responseLogFields } from "../../src/telemetry/decision-log.ts";
import { metricRows } from "../../src/telemetry/metrics.ts";
import { limitRows } from "./limits.ts";
import { identityHeaderMeanings, logFieldMeanings, remedies } from "./meanings.ts";

type Cell = string | number;

/** One table: under which heading of which page of docs/ it stands, its columns and its rows. */
export type DocTable = {
  readonly page: string;
  readonly heading: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
};

const code = (text: string): string => (text === "" ? "" : `\`${text}\``);

type Alerts = {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly labels: { readonly severity: string };
      readonly annotations: { readonly summary: string };
    }[];
  }[];
};

const alertsFile = new URL("../../helm/aliasguard/files/alerts.yaml", import.meta.url);
const alerts = (parse(readFileSync(alertsFile, "utf8")) as Alerts).groups.flatMap(
  ({ rules }) => rules,
);

export const docTables: readonly DocTable[] = [
  {
    page: "reference/models.md",
    heading: "Models that stand for others",
    columns: ["names", "backend", "behind it runs"],
    rows: standInRows.map(({ names, backend, picks }) => [
      names.split(", ").map(code).join(", "),
      backend,
      picks,
    ]),
  },
  {
    page: "reference/models.md",
    heading: "Advice",
    columns: ["code", "when"],
    rows: adviceRows.map(([word, text]) => [code(word), text]),
  },
  {
    page: "reference/paths.md",
    heading: "Paths",
    columns: ["path", "where", "the model stands in", "dialect", "at the backend"],
    rows: [...bodyOperations, ...pathOperations, ...listOperations, ...realtimeOperations].map(
      (each) => [
        code(`${each.method} ${each.path}`),
        each.exact === true ? "as it is" : "under each prefix",
        modelPlace(each),
        each.dialect,
        backendPlace(each),
      ],
    ),
  },
  {
    page: "reference/refusals.md",
    heading: "Refusals",
    columns: ["reason", "status", "code", "message"],
    rows: Object.entries(denials).map(([reason, { status, code: word, message }]) => [
      code(reason),
      status,
      code(word),
      message,
    ]),
  },
  {
    page: "reference/refusals.md",
    heading: "What to do",
    columns: ["reason", "what to do"],
    rows: Object.entries(remedies).map(([reason, remedy]) => [code(reason), remedy]),
  },
  {
    page: "reference/body-fields.md",
    heading: "Body fields",
    columns: ["field", "where", "rule", "because it"],
    rows: fieldRows.map(({ name, place, rule, dialect, reason }) => [
      code(name),
      place === "top" ? "top level" : code(place),
      rule,
      dialect === undefined ? reason : `${reason} (${dialect})`,
    ]),
  },
  {
    page: "reference/body-fields.md",
    heading: "Known body fields",
    columns: ["dialects", "source", "fields"],
    rows: knownFieldLists.map(({ dialects, source, names, inForms }) => [
      dialects.join(", "),
      inForms === true ? `${source}; in forms alone` : source,
      names.map(code).join(" "),
    ]),
  },
  {
    page: "reference/headers.md",
    heading: "Carriers of the key",
    columns: ["carrier", "where"],
    rows: [
      ...credentialCarriers.map((name) => [code(name), "header"]),
      [code(keyParameter), "query parameter"],
    ],
  },
  {
    page: "reference/headers.md",
    heading: "Headers for the backend",
    columns: ["header", "meaning"],
    rows: Object.entries(identityHeaderMeanings).map(([name, meaning]) => [
      code(identityHeaders[name as keyof typeof identityHeaders]),
      meaning,
    ]),
  },
  {
    page: "reference/headers.md",
    heading: "Headers that are forwarded",
    columns: ["headers", "kind"],
    rows: headerRowsOf("forwarded"),
  },
  {
    page: "reference/headers.md",
    heading: "Headers that go with the caller's credential",
    columns: ["headers", "kind"],
    rows: headerRowsOf("credential"),
  },
  {
    page: "reference/headers.md",
    heading: "Headers that are removed",
    columns: ["headers", "kind"],
    rows: headerRowsOf("removed"),
  },
  {
    page: "reference/headers.md",
    heading: "Headers that are refused",
    columns: ["headers", "kind"],
    rows: headerRowsOf("refused"),
  },
  {
    page: "reference/headers.md",
    heading: "Headers of a backend's credential",
    columns: ["header"],
    rows: upstreamCredentialHeaders.map((name) => [code(name)]),
  },
  {
    page: "reference/settings.md",
    heading: "Settings",
    columns: ["flag", "variable", "default", "meaning"],
    rows: settingRows.map(({ flag, variable, default: fallback, help }) => [
      code(`--${flag}`),
      code(variable),
      code(fallback),
      help,
    ]),
  },
  {
    page: "reference/metrics.md",
    heading: "Authorizer",
    columns: ["name", "meaning"],
    rows: metricRows.map(([name, help]) => [code(name), help]),
  },
  {
    page: "reference/metrics.md",
    heading: "Controller",
    columns: ["name", "meaning"],
    rows: controllerMetricRows.map(([name, help]) => [code(name), help]),
  },
  {
    page: "reference/metrics.md",
    heading: "Alerts",
    columns: ["alert", "severity", "expression", "meaning"],
    rows: alerts.map(({ alert, labels, expr, annotations }) => [
      alert,
      labels.severity,
      code(expr),
      annotations.summary,
    ]),
  },
  {
    page: "reference/envoy-findings.md",
    heading: "Findings",
    columns: ["code", "severity", "because", "what mends it"],
    rows: Object.entries(findingKinds).map(([name, { severity, why, fix }]) => [
      code(name),
      severity,
      why,
      fix,
    ]),
  },
  {
    page: "reference/probe-findings.md",
    heading: "Requests",
    columns: ["step", "what a whole chain shows"],
    rows: Object.entries(probeSteps).map(([name, about]) => [code(name), about]),
  },
  {
    page: "reference/probe-findings.md",
    heading: "Findings",
    columns: ["code", "because", "what mends it"],
    rows: Object.entries(probeFindings).map(([name, { why, fix }]) => [code(name), why, fix]),
  },
  {
    page: "reference/probe-findings.md",
    heading: "Not seen",
    columns: ["code", "what no caller can see, or could not this time"],
    rows: Object.entries(probeUnseen).map(([name, about]) => [code(name), about]),
  },
  {
    page: "reference/logs.md",
    heading: "Decisions",
    columns: ["field", "meaning"],
    rows: decisionLogFields.map((field) => [code(field), logFieldMeanings[field]]),
  },
  {
    page: "reference/logs.md",
    heading: "Responses",
    columns: ["field", "meaning"],
    rows: responseLogFields.map((field) => [code(field), logFieldMeanings[field]]),
  },
  {
    page: "reference/conditions.md",
    heading: "Reasons",
    columns: ["reason", "meaning"],
    rows: conditionReasonRows.map(([reason, meaning]) => [code(reason), meaning]),
  },
  ...limitRows.map(({ heading, rows }) => ({
    page: "reference/limits.md",
    heading,
    columns: ["limit", "value"],
    rows,
  })),
];

function headerRowsOf(rule: HeaderRule): readonly (readonly Cell[])[] {
  return headerRows
    .filter((row) => row.rule === rule)
    .map(({ kind, names }) => [names.map(code).join(", "), kind]);
}

function modelPlace({ path, body, modelParameter, answers }: Row): string {
  if (answers !== undefined) return "answered here";
  if (modelParameter !== undefined) return `query, ${code(modelParameter)}`;
  if (path.includes("{model}")) return "path";
  return body === "form" ? "form field or body, `model`" : "body, `model`";
}

/** Empty: as it came, but for a prefix that is told to be another. */
function backendPlace({ backendPath, routerPath }: Row): string {
  if (routerPath !== undefined) return `${code(routerPath)}, unless it is a leaf`;
  return code(backendPath ?? "");
}

/** The table's lines, its head included. */
export function linesOf({ columns, rows }: DocTable): readonly string[] {
  // A bar ends a cell, in code too.
  const text = (cell: Cell): string => String(cell).replaceAll("|", "\\|");
  const line = (cells: readonly Cell[]): string =>
    `| ${cells.map(text).join(" | ")} |`.replaceAll("|  |", "| |");
  return [line(columns), `|${"---|".repeat(columns.length)}`, ...rows.map(line)];
}
