// `aliasguard lint`: says everything that is wrong with a policy, before anything runs with it.

import { parseArgs } from "node:util";
import type { LocatedProblem } from "../policy/problem.ts";
import { formatPath } from "../policy/shown-text.ts";
import { compileManifests, readManifestFiles } from "../sources/manifest-files.ts";
import type { CommandIo, ExitCode } from "./io.ts";

export const lintUsage = `Usage: aliasguard lint PATH...

Checks the manifests in files and directories as one policy and prints every problem as
FILE:LINE:COLUMN: SEVERITY: OBJECT: MESSAGE

  invalid   cannot be read: the whole policy would be rejected
  disabled  well-formed, but cannot be used and is left out
  advice    works, but perhaps not as meant

Exit status: 0 clean or advice only, 1 invalid or disabled, 2 wrong usage.
`;

/** Resolves to the exit status; rejects never. */
export async function runLint(
  args: readonly string[],
  io: Pick<CommandIo, "stdout" | "stderr">,
  nowMs: number = Date.now(),
): Promise<ExitCode> {
  const parsed = parseLintArgs(args);
  if (typeof parsed === "string") {
    io.stderr(`aliasguard lint: ${parsed}\n${lintUsage}`);
    return 2;
  }
  if (parsed.help) {
    io.stdout(lintUsage);
    return 0;
  }
  const read = await Promise.all(parsed.paths.map(readManifestFiles));
  const together = {
    files: read.flatMap(({ files }) => files),
    problems: read.flatMap(({ problems }) => problems),
  };
  const { problems, problemCounts, found } = compileManifests(together, nowMs);
  for (const problem of problems.toSorted(byPlace)) io.stdout(`${problemLine(problem)}\n`);
  const { invalid, disabled, advice } = problemCounts;
  const nothing = found === 0 && invalid === 0;
  if (nothing) io.stderr("aliasguard lint: no resource of a policy found\n");
  io.stdout(
    `${found} resources in ${together.files.length} files: ` +
      `${invalid} invalid, ${disabled} disabled, ${advice} advice\n`,
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

type LintArgs = { readonly help: boolean; readonly paths: readonly string[] };

/** A text says what is wrong with the arguments. */
function parseLintArgs(args: readonly string[]): LintArgs | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { help: { type: "boolean", short: "h" } },
      allowPositionals: true,
    });
    const help = values.help === true;
    return help || positionals.length > 0
      ? { help, paths: positionals }
      : "wants at least one PATH, found none";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
