// What the steps of a compilation share: who comes first, the problems found so far, and what was left out.

import type { Problem, ProblemSeverity } from "../problem.ts";
import type { Resource } from "../resources.ts";
import { objectName } from "../resources.ts";

/**
 * Why a resource is not in force as written, for conditions of its status: one word for each kind of mistake that only the
 * whole policy shows.
 */
export type ProblemCause =
  | "conflict"
  | "cycle"
  | "chain_too_long"
  | "target_not_found"
  | "team_not_found"
  | "group_not_found"
  | "secret_not_found";

/** `cause` is given with the severity `disabled`. */
export type Report = (
  severity: ProblemSeverity,
  resource: Resource,
  path: Problem["path"],
  message: string,
  cause?: ProblemCause,
) => void;

export type CompileContext = {
  readonly report: Report;
  /** Leaves the resource out of the policy, and says why. */
  readonly leaveOut: (
    resource: Resource,
    path: Problem["path"],
    message: string,
    cause?: ProblemCause,
  ) => void;
  readonly isLeftOut: (resource: Resource) => boolean;
};

/** Where a problem comes from: the place of its resource in what was compiled. */
export type CompileProblem = Problem & {
  readonly resource: Resource;
  readonly cause: ProblemCause | undefined;
};

export function createCompileContext(problems: CompileProblem[]): CompileContext {
  const leftOut = new Set<Resource>();
  const report: Report = (severity, resource, path, message, cause) => {
    problems.push({ severity, object: objectName(resource), path, message, resource, cause });
  };
  return {
    report,
    leaveOut(resource, path, message, cause = "conflict") {
      leftOut.add(resource);
      report("disabled", resource, path, message, cause);
    },
    isLeftOut: (resource) => leftOut.has(resource),
  };
}

/** Older first, then by namespace/name: in a conflict the first wins. An object without a time counts as newest. */
export function comparePrecedence(a: Resource, b: Resource): number {
  const [aMs, bMs] = [a.createdAtMs, b.createdAtMs];
  if (aMs !== bMs) {
    if (aMs === undefined) return 1;
    return bMs === undefined ? -1 : aMs - bMs;
  }
  return compareText(fullName(a), fullName(b));
}

export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function fullName({ namespace, name }: Resource): string {
  return `${namespace ?? ""}/${name}`;
}
