// Tests of the bounded list of problems: the worst stay, all are counted.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProblemSeverity } from "../../../src/policy/problem.ts";
import { createProblemList, problemsPerFileMax } from "../../../src/sources/files/problem-list.ts";

function listOf(some: readonly (readonly [ProblemSeverity, string, number])[]) {
  const list = createProblemList();
  let located = 0;
  for (const [severity, file, count] of some) {
    for (let at = 1; at <= count; at++) {
      const problem = { severity, object: undefined, path: [], message: `${severity} ${at}`, file };
      list.add(problem, () => {
        located++;
        return { ...problem, line: at, column: 1 };
      });
    }
  }
  const shown = list.shown().map(({ severity, file, message }) => `${severity} ${file} ${message}`);
  return { shown, counts: list.counts(), located };
}

test("createProblemList shows every problem of a file that has few", () => {
  const { shown, counts } = listOf([
    ["advice", "a", 1],
    ["invalid", "b", 1],
    ["disabled", "a", 1],
  ]);
  assert.deepEqual(shown, ["disabled a disabled 1", "advice a advice 1", "invalid b invalid 1"]);
  assert.deepEqual(counts, { invalid: 1, disabled: 1, advice: 1 });
  const full = listOf([["invalid", "a", problemsPerFileMax]]);
  assert.equal(full.shown.length, problemsPerFileMax);
});

test("createProblemList keeps the worst of a file that has many, and says how many more", () => {
  const { shown, counts, located } = listOf([
    ["advice", "a", 10_000],
    ["disabled", "a", 150],
    ["invalid", "a", 100],
  ]);
  assert.equal(shown.length, problemsPerFileMax + 1);
  assert.equal(shown[0], "invalid a invalid 1");
  assert.equal(shown[99], "invalid a invalid 100");
  assert.equal(shown[199], "disabled a disabled 100");
  assert.equal(shown[200], "disabled a 10050 more problems in this file");
  assert.deepEqual(counts, { invalid: 100, disabled: 150, advice: 10_000 });
  assert.ok(located <= 3 * problemsPerFileMax);
});

test("createProblemList never lets one file displace the problems of another", () => {
  const { shown } = listOf([
    ["invalid", "a", 1_000],
    ["advice", "b", 1],
  ]);
  assert.ok(shown.includes("advice b advice 1"));
  assert.ok(shown.includes("invalid a 800 more problems in this file"));
});
