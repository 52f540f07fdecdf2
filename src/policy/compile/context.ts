// What the steps of a compilation share: who comes first, the problems found so far, and what was left out.

import { createWork, type Work } from "../../core/permission/work.ts";
import type { Problem, ProblemSeverity } from "../problem.ts";
import type { Resource } from "../resources.ts";
import { objectName } from "../resources.ts";
import type { AdviceCode } from "./advice.ts";

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
  severity: Exclude<ProblemSeverity, "advice">,
  resource: Resource,
  path: Problem["path"],
  message: string,
  cause?: ProblemCause,
) => void;

export type Advise = (
  code: AdviceCode,
  resource: Resource,
  path: Problem["path"],
  message: string,
) => void;

export type CompileContext = {
  readonly report: Report;
  readonly advise: Advise;
  /** Leaves the resource out of the policy, and says why. */
  readonly leaveOut: (
    resource: Resource,
    path: Problem["path"],
    message: string,
    cause?: ProblemCause,
  ) => void;
  readonly isLeftOut: (resource: Resource) => boolean;
  /** For advice that needs a look at the rest of the policy: what is beyond gets none. */
  readonly adviceWork: Work;
};

/** Where a problem comes from: the place of its resource in what was compiled. */
export type CompileProblem = Problem & {
  readonly resource: Resource;
  readonly cause: ProblemCause | undefined;
  /** Given with the severity `advice`. */
  readonly code: AdviceCode | undefined;
};

/** Steps for the advice of one compilation: less than a second. */
export const adviceStepsMax = 5_000_000;

/** Problems of one object; a grant can have a thousand mistakes, and each of ten thousand keys may have it. */
export const problemsPerObjectMax = 50;

export function createCompileContext(problems: CompileProblem[]): CompileContext {
  const leftOut = new Set<Resource>();
  const counts = new Map<Resource, number>();
  const add = (resource: Resource, problem: Omit<CompileProblem, "object" | "resource">): void => {
    const count = (counts.get(resource) ?? 0) + 1;
    counts.set(resource, count);
    // The first that is too many says that there are more.
    if (count > problemsPerObjectMax + 1) return;
    const more = count > problemsPerObjectMax;
    const shown = more
      ? { ...problem, path: [], message: "there are more problems like these" }
      : problem;
    problems.push({ ...shown, object: objectName(resource), resource });
  };
  const report: Report = (severity, resource, path, message, cause) => {
    add(resource, { severity, path, message, cause, code: undefined });
  };
  return {
    report,
    advise(code, resource, path, message) {
      add(resource, { severity: "advice", path, message, cause: undefined, code });
    },
    leaveOut(resource, path, message, cause = "conflict") {
      leftOut.add(resource);
      // Said whatever else there is to say.
      counts.delete(resource);
      report("disabled", resource, path, message, cause);
    },
    isLeftOut: (resource) => leftOut.has(resource),
    adviceWork: createWork(adviceStepsMax),
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
