// What is wrong with a policy, as values: every problem at once, each saying where it is.

/**
 * `invalid`: the object cannot be read; files that hold one are rejected whole. `disabled`: the object is well-formed
 * but cannot be used (conflict, cycle, dangling reference) and is left out. `advice`: it works, but perhaps not as meant.
 * `lint` exits 1 for the first two.
 */
export type ProblemSeverity = "invalid" | "disabled" | "advice";

export type Problem = {
  readonly severity: ProblemSeverity;
  /** The object, e.g. `ModelAlias default/agentx`; undefined when the document is not even an object. */
  readonly object: string | undefined;
  /** Path inside the object, e.g. ["spec", "targets", 0, "weight"]; empty for the object as a whole. */
  readonly path: readonly (string | number)[];
  /** What was wanted and what was found; never a secret. */
  readonly message: string;
};

/** A problem with its place in the files. `line` and `column` count from 1. */
export type LocatedProblem = Problem & {
  readonly file: string;
  readonly line: number;
  readonly column: number;
};
