// The problems of one load, bounded: of each file the worst ones are kept, and a last one says how many more there are.

import type { LocatedProblem, Problem, ProblemSeverity } from "../../policy/problem.ts";

/** Problems of one file that are named; more are only counted. */
export const problemsPerFileMax = 200;

export type ProblemCounts = Readonly<Record<ProblemSeverity, number>>;

export type ProblemList = {
  /** `locate` is called only where the problem is kept: finding its place costs a search. */
  add(problem: Problem & { readonly file: string }, locate: () => LocatedProblem): void;
  /** File by file; within one, the invalid ones first and the advice last. */
  shown(): readonly LocatedProblem[];
  /** Of everything that was added. */
  counts(): ProblemCounts;
};

const severities = ["invalid", "disabled", "advice"] as const;

type FileProblems = {
  readonly kept: Map<ProblemSeverity, LocatedProblem[]>;
  readonly counts: Record<ProblemSeverity, number>;
};

export function createProblemList(): ProblemList {
  const files = new Map<string, FileProblems>();
  const total = { invalid: 0, disabled: 0, advice: 0 };
  return {
    add({ severity, file }, locate) {
      let found = files.get(file);
      if (found === undefined) {
        found = { kept: new Map(), counts: { invalid: 0, disabled: 0, advice: 0 } };
        files.set(file, found);
      }
      total[severity]++;
      found.counts[severity]++;
      // Each severity fills its own list: what comes first must not displace what is worse.
      const kept = found.kept.get(severity) ?? [];
      found.kept.set(severity, kept);
      if (kept.length < problemsPerFileMax) kept.push(locate());
    },
    shown: () => [...files].flatMap(([file, problems]) => shownOf(file, problems)),
    counts: () => total,
  };
}

function shownOf(file: string, { kept, counts }: FileProblems): readonly LocatedProblem[] {
  const found = severities.flatMap((severity) => kept.get(severity) ?? []);
  const all = counts.invalid + counts.disabled + counts.advice;
  const shown = found.slice(0, problemsPerFileMax);
  if (shown.length === all) return shown;
  const left = { ...counts };
  for (const { severity } of shown) left[severity]--;
  const severity = severities.find((each) => left[each] > 0) ?? "advice";
  const message = `${all - shown.length} more problems in this file`;
  const place = { file, line: 1, column: 1 };
  return [...shown, { severity, object: undefined, path: [], message, ...place }];
}
