// How much one decision may look at. What a policy and a request can make a decision do is counted in steps, and a decision
// that would take more is refused: no object and no request keeps others waiting.

/**
 * Steps of one decision: one for each target, fallback or list of grants that is looked at and each wildcard that a name is
 * compared with, four where that has text between two stars. An alias with 16 targets and 1,024 patterns beside it, for the
 * key and for its team, takes 35,000; a step takes half a microsecond at most, and most a tenth of that.
 */
export const decisionStepsMax = 50_000;

/** Steps of one list of models, which is remembered afterwards: 10,000 aliases with 20 patterns beside them. */
export const listStepsMax = 300_000;

/** What is left to do. Shared by all that belongs to one decision. */
export type Work = { stepsLeft: number };

export function createWork(stepsMax: number): Work {
  return { stepsLeft: stepsMax };
}

/** Takes `steps` away. Whether there were so many left: if not, nothing that was found on the way may be believed. */
export function spend(work: Work, steps: number): boolean {
  work.stepsLeft -= steps;
  return work.stepsLeft >= 0;
}
