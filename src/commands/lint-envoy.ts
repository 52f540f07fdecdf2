// `aliasguard lint --envoy`: reads Envoy configurations, bootstraps or dumps, and says what in them breaks the promise.

import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { text as readStream } from "node:stream/consumers";
import { parseArgs } from "node:util";
import type { Expected } from "../doctor/check-filter.ts";
import { diagnose } from "../doctor/doctor.ts";
import { type Finding, findingKinds } from "../doctor/findings.ts";
import { field, nodeOf } from "../doctor/tree.ts";
import type { CommandIo, ExitCode } from "./io.ts";

export const lintEnvoyUsage = `Usage: aliasguard lint --envoy FILE... [--json]

Reads Envoy configurations, each a bootstrap (YAML or JSON) or a config_dump of a running Envoy, and prints every
setting that breaks or weakens the promise as
FILE: SEVERITY: CODE: PLACE: WHY; FIX

  breaks    requests can reach a backend unchecked, or none can
  weakens   the promise rests on one thing less, or honest callers are hurt
  advice    works, but perhaps not as meant

A FILE of - is standard input. Several are a fleet: each is looked at by itself.

  --json                     one JSON array instead of lines
  --authorizer-cluster NAME  Envoy's cluster of the authorizer; by default the one that is named like it
  --body-bytes-max BYTES     the authorizer's setting (ALIASGUARD_BODY_BYTES_MAX), default 33554432
  --model-headers NAMES      the authorizer's setting (ALIASGUARD_MODEL_HEADERS), default x-model
  --body-edits MODE          the authorizer's setting (ALIASGUARD_BODY_EDITS), splice or header-only
  -h, --help                 this text

Exit status: 0 nothing but advice, 1 something breaks or weakens or a file could not be read, 2 wrong usage.
`;

type Io = Pick<CommandIo, "stdout" | "stderr"> &
  Partial<Pick<CommandIo, "env">> & {
    /** Standard input; default the process's. */
    readonly stdin?: () => Promise<string>;
  };

/** Resolves to the exit status; rejects never. */
export async function runLintEnvoy(args: readonly string[], io: Io): Promise<ExitCode> {
  const parsed = parseLintEnvoyArgs(args, io.env ?? {});
  if (typeof parsed === "string") {
    io.stderr(`aliasguard lint: ${parsed}\n${lintEnvoyUsage}`);
    return 2;
  }
  if (parsed.help) {
    io.stdout(lintEnvoyUsage);
    return 0;
  }
  const reports: Report[] = [];
  let failed = false;
  for (const file of parsed.files) {
    const found = await lintFile(file, parsed.expected, io.stdin ?? readStandardInput);
    if (typeof found === "string") {
      failed = true;
      io.stderr(`aliasguard lint: ${file}: ${found}\n`);
    } else reports.push({ file, ...found });
  }
  if (parsed.json) io.stdout(`${JSON.stringify(reports.flatMap(toJson), undefined, 2)}\n`);
  else for (const report of reports) io.stdout(toText(report));
  const isWrong = reports.some(({ findings }) =>
    findings.some(({ code }) => findingKinds[code].severity !== "advice"),
  );
  return failed || isWrong ? 1 : 0;
}

type Report = {
  readonly file: string;
  readonly findings: readonly Finding[];
  readonly guarded: readonly string[];
};

/** Most bytes of a configuration that are read: dumps of large meshes have tens of megabytes. */
const fileBytesMax = 512 * 1024 * 1024;

/** A text says what is wrong with the file. */
async function lintFile(
  file: string,
  expected: Expected,
  stdin: () => Promise<string>,
): Promise<Omit<Report, "file"> | string> {
  let root: unknown;
  try {
    const text = file === "-" ? await stdin() : await readFile(file, "utf8");
    if (text.length > fileBytesMax) return `has more than ${fileBytesMax} characters`;
    root = await parseConfig(text);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const seen = await withScripts(root, file === "-" ? "." : dirname(file));
  const diagnosis = diagnose(seen, expected);
  return (
    diagnosis ??
    "wanted a bootstrap (static_resources) or a config_dump (configs with listeners), found neither"
  );
}

function readStandardInput(): Promise<string> {
  return readStream(process.stdin);
}

async function parseConfig(text: string): Promise<unknown> {
  if (/^\s*[{[]/.test(text)) {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      // YAML in braces, perhaps.
    }
  }
  const { parseDocument } = await import("yaml");
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) throw new Error(error.message);
  return document.toJS({ maxAliasCount: 10_000 }) as unknown;
}

/** The same, with scripts that stand in files beside it in their place, as far as they can be read. */
async function withScripts(value: unknown, folder: string): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map((each) => withScripts(each, folder)));
  const node = nodeOf(value);
  if (node === undefined) return value;
  const entries = await Promise.all(
    Object.entries(node).map(async ([name, inner]) => {
      const file = name === "default_source_code" ? field(nodeOf(inner), "filename") : undefined;
      if (typeof file !== "string") return [name, await withScripts(inner, folder)] as const;
      const source = await readFile(resolve(folder, file), "utf8").catch(() => undefined);
      return [name, source === undefined ? inner : { inline_string: source }] as const;
    }),
  );
  return Object.fromEntries(entries);
}

function toText({ file, findings, guarded }: Report): string {
  const lines = findings.map(({ code, place, found }) => {
    const { severity, why, fix } = findingKinds[code];
    const what = found === undefined ? "" : ` (${found})`;
    return `${file}: ${severity}: ${code}: ${place}${what}: ${why}; ${fix}`;
  });
  const count = (severity: string): number =>
    findings.filter(({ code }) => findingKinds[code].severity === severity).length;
  const listeners = guarded.length === 0 ? "no listener" : `listeners ${guarded.join(", ")}`;
  const totals = `${count("breaks")} breaks, ${count("weakens")} weakens, ${count("advice")} advice`;
  return `${[...lines, `${file}: ${listeners} with the check: ${totals}`].join("\n")}\n`;
}

function toJson({ file, findings }: Report): readonly object[] {
  return findings.map(({ code, place, found }) => ({
    file,
    code,
    place,
    found,
    ...findingKinds[code],
  }));
}

type LintEnvoyArgs = {
  readonly help: boolean;
  readonly json: boolean;
  readonly files: readonly string[];
  readonly expected: Expected;
};

/** A text says what is wrong with the arguments. */
function parseLintEnvoyArgs(
  args: readonly string[],
  env: CommandIo["env"],
): LintEnvoyArgs | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        envoy: { type: "boolean" },
        json: { type: "boolean", default: false },
        "authorizer-cluster": { type: "string" },
        "body-bytes-max": { type: "string", default: env["ALIASGUARD_BODY_BYTES_MAX"] ?? "" },
        "model-headers": { type: "string", default: env["ALIASGUARD_MODEL_HEADERS"] ?? "" },
        "body-edits": { type: "string", default: env["ALIASGUARD_BODY_EDITS"] ?? "" },
        help: { type: "boolean", short: "h", default: false },
      },
      allowPositionals: true,
    });
    const { help, json, "authorizer-cluster": authorizerCluster } = values;
    const bytes = values["body-bytes-max"];
    if (!/^[0-9]*$/.test(bytes)) {
      return `--body-bytes-max must be a whole number: found ${JSON.stringify(bytes)}`;
    }
    const edits = values["body-edits"];
    if (!["", "splice", "header-only"].includes(edits)) {
      return `--body-edits must be splice or header-only: found ${JSON.stringify(edits)}`;
    }
    if (!help && positionals.length === 0)
      return "--envoy wants at least one FILE or -, found none";
    const names = values["model-headers"].split(",").filter((name) => name !== "");
    const expected: Expected = {
      bodyBytesMax: bytes === "" ? 32 * 1024 * 1024 : Number(bytes),
      modelHeaders: names.length === 0 ? ["x-model"] : names.map((name) => name.toLowerCase()),
      editsBodies: edits !== "header-only",
      authorizerCluster,
    };
    return { help, json, files: positionals, expected };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
