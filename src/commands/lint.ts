// `aliasguard lint`: says everything that is wrong with a policy, before anything runs with it or as it is in a cluster.

import { parseArgs } from "node:util";
import type { CatalogueWord } from "../core/permission/snapshot.ts";
import { formatPath } from "../policy/decode/shown-text.ts";
import type { LocatedProblem } from "../policy/problem.ts";
import { readCatalogue, readUncheckedRoutes } from "../settings/settings.ts";
import { compileManifests, readManifestFiles } from "../sources/files/manifest-files.ts";
import type { ProblemCounts } from "../sources/files/problem-list.ts";
import type { CommandIo, ExitCode } from "./io.ts";
import {
  type KubeFlags,
  kubeFlagOptions,
  kubeFlagsFault,
  kubeFlagsUsage,
  toKubeFlags,
} from "./kube-flags.ts";

export const lintUsage = `Usage: aliasguard lint PATH...
       aliasguard lint --policy PATH
       aliasguard lint --envoy FILE... (aliasguard lint --envoy --help tells more)
       aliasguard lint --kube [--namespace NAME] [--context NAME] [--kubeconfig FILE]

Checks the manifests in files and directories as one policy and prints every problem as
FILE:LINE:COLUMN: SEVERITY: OBJECT: MESSAGE

  invalid   cannot be read: the whole policy would be rejected
  disabled  well-formed, but cannot be used and is left out
  advice    works, but perhaps not as meant

With --kube it checks the custom resources of one namespace of a cluster instead, as the controller does, and
prints KIND/NAME PATH: SEVERITY: MESSAGE. There an invalid object is left out alone. Secrets that keys name are
read too; where that is not allowed it says so, and the key counts as off.

  --policy PATH      the same as PATH, by the name that the other commands have for it; may be repeated
  --kube             read a cluster, with the rights of the kubeconfig's user
${kubeFlagsUsage}
  --unchecked-routes ROUTES  the authorizer's setting (ALIASGUARD_UNCHECKED_ROUTES): an advice for each
  --catalogue open|closed    as serve or the controller has it (ALIASGUARD_CATALOGUE) [open]
  -h, --help         this text

Exit status: 0 clean or advice only, 1 invalid or disabled, or nothing could be read, 2 wrong usage.
`;

type Io = Pick<CommandIo, "stdout" | "stderr"> & Partial<Pick<CommandIo, "env">>;

/** Resolves to the exit status; rejects never. */
export async function runLint(
  args: readonly string[],
  io: Io,
  nowMs: number = Date.now(),
): Promise<ExitCode> {
  if (args.includes("--envoy")) {
    const { runLintEnvoy } = await import("./lint-envoy.ts");
    return runLintEnvoy(args, io);
  }
  const parsed = parseLintArgs(args, io.env ?? {});
  if (typeof parsed === "string") {
    io.stderr(`aliasguard lint: ${parsed}\n${lintUsage}`);
    return 2;
  }
  if (parsed.help) {
    io.stdout(lintUsage);
    return 0;
  }
  const { kube, uncheckedRoutes, catalogue } = parsed;
  if (kube !== undefined)
    return lintCluster({ flags: kube, uncheckedRoutes, catalogue }, io, nowMs);
  const read = await Promise.all(parsed.paths.map(readManifestFiles));
  const together = {
    files: read.flatMap(({ files }) => files),
    problems: read.flatMap(({ problems }) => problems),
  };
  const { problems, problemCounts, found } = compileManifests(together, { nowMs, catalogue });
  for (const problem of problems.toSorted(byPlace)) io.stdout(`${problemLine(problem)}\n`);
  const where = `${together.files.length} files`;
  return conclude({ found, where, uncheckedRoutes }, problemCounts, io);
}

type Cluster = Pick<LintArgs, "uncheckedRoutes" | "catalogue"> & { readonly flags: KubeFlags };

async function lintCluster(
  { flags, uncheckedRoutes, catalogue }: Cluster,
  io: Io,
  nowMs: number,
): Promise<ExitCode> {
  const { KubeFailure, objectProblemPlace, readClusterPolicy, withKube } = await import(
    "./kube-objects.ts"
  );
  try {
    const read = await withKube(flags, (connection) =>
      readClusterPolicy(connection, { nowMs, catalogue }),
    );
    const counts = { invalid: 0, disabled: 0, advice: 0 };
    for (const problem of read.problems) {
      const { severity, message } = problem;
      counts[severity] += 1;
      io.stdout(`${objectProblemPlace(problem)}: ${severity}: ${message}\n`);
    }
    const where = `namespace ${read.namespace}`;
    return conclude({ found: read.found, where, uncheckedRoutes }, counts, io);
  } catch (error) {
    if (!(error instanceof KubeFailure)) throw error;
    io.stderr(`aliasguard lint: ${error.message}\n`);
    return 1;
  }
}

type Linted = {
  readonly found: number;
  readonly where: string;
  readonly uncheckedRoutes: readonly string[];
};

function conclude(
  { found, where, uncheckedRoutes }: Linted,
  { invalid, disabled, advice: ofPolicy }: ProblemCounts,
  io: Io,
): ExitCode {
  for (const route of uncheckedRoutes) {
    io.stdout(
      `unchecked-routes: advice: ${route}: let through with any valid key, whatever it runs\n`,
    );
  }
  const advice = ofPolicy + uncheckedRoutes.length;
  const nothing = found === 0 && invalid === 0;
  if (nothing) io.stderr("aliasguard lint: no resource of a policy found\n");
  io.stdout(
    `${found} resources in ${where}: ${invalid} invalid, ${disabled} disabled, ${advice} advice\n`,
  );
  return nothing || invalid + disabled > 0 ? 1 : 0;
}

export function problemLine(problem: LocatedProblem): string {
  const { file, line, column, severity, object, path, message } = problem;
  const subject = [object, path.length === 0 ? undefined : formatPath(path)]
    .filter((part) => part !== undefined)
    .join(" ");
  return `${file}:${line}:${column}: ${severity}: ${subject === "" ? "" : `${subject}: `}${message}`;
}

function byPlace(a: LocatedProblem, b: LocatedProblem): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}

type LintArgs = {
  readonly help: boolean;
  readonly paths: readonly string[];
  /** undefined: files. */
  readonly kube: KubeFlags | undefined;
  readonly uncheckedRoutes: readonly string[];
  readonly catalogue: CatalogueWord;
};

/** A text says what is wrong with the arguments. */
function parseLintArgs(args: readonly string[], env: CommandIo["env"]): LintArgs | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        kube: { type: "boolean", default: false },
        policy: { type: "string", multiple: true, default: [] },
        ...kubeFlagOptions,
        "unchecked-routes": { type: "string" },
        catalogue: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
      allowPositionals: true,
    });
    const { help, kube, "unchecked-routes": routes } = values;
    const given = new Map(routes === undefined ? [] : [["unchecked-routes", routes]]);
    const { routes: uncheckedRoutes, issues: routeIssues } = readUncheckedRoutes(given, env);
    const issues = [...routeIssues];
    const read = readCatalogue(values.catalogue, env);
    issues.push(...read.issues);
    if (issues.length > 0) return issues.join("\n");
    const { catalogue } = read;
    const flags = kube ? toKubeFlags(values) : undefined;
    const paths = [...values.policy, ...positionals];
    const parsed = { help, paths, kube: flags, uncheckedRoutes, catalogue };
    if (help) return parsed;
    const fault = kubeFlagsFault(values, { isAsked: kube, wants: "--kube" });
    if (fault !== undefined) return fault;
    if (kube && paths.length > 0) return "wants either --kube or PATHs, found both";
    return kube || paths.length > 0 ? parsed : "wants at least one PATH or --kube, found none";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
