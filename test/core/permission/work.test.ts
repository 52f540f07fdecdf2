// Work is counted: what a policy and a request may make a decision do ends where the steps end, and what was not looked at
// is refused. Steps, not time: a slow machine changes nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createModelLister, listModels } from "../../../src/core/model-list.ts";
import { authorizeModel } from "../../../src/core/permission/authorize.ts";
import {
  createWork,
  decisionStepsMax,
  listStepsMax,
  spend,
} from "../../../src/core/permission/work.ts";
import { type AliasParts, grant, key, model, scope, snapshot } from "../snapshot-builder.ts";

const lots = { draw: 0, headers: new Map<string, string>() };

/** Levels of aliases with 16 targets each. */
function tree(levels: number): AliasParts {
  const parts: Record<string, [string, number][]> = {};
  let names = ["top"];
  for (let level = 0; level < levels; level++) {
    const next: string[] = [];
    for (const name of names) {
      parts[name] = Array.from({ length: 16 }, (_, at) => [`${level}-${next.length + at}`, 1]);
      next.push(...parts[name].map(([to]) => to));
    }
    names = next;
  }
  return parts;
}

const patterns = (count: number): string[] => Array.from({ length: count }, (_, at) => `x${at}*`);

test("spend says no once the steps are used up, and never yes again", () => {
  const work = createWork(3);
  assert.deepEqual(
    [spend(work, 2), spend(work, 1), spend(work, 1), spend(work, 0)],
    [true, true, false, false],
  );
});

test("authorizeModel takes what a name and its patterns cost, and no more", () => {
  const holder = key({ grant: grant({ models: ["*"], deny: patterns(1000) }) });
  const work = createWork(decisionStepsMax);
  const snap = snapshot({ key: holder });
  assert.equal(authorizeModel(snap, holder, { requested: "m", lots, work }).ok, true);
  const used = decisionStepsMax - work.stepsLeft;
  assert.ok(used >= 1001 && used < 1010, String(used));
});

test("authorizeModel allows an alias over 16 targets with a thousand patterns for key and team", () => {
  const full = { models: ["*"], deny: patterns(1024) };
  const team = {
    name: "t",
    team: { name: "t", disabled: false, grant: grant(full), aliases: scope({}) },
  };
  const holder = key({ grant: grant(full), team });
  const snap = snapshot({ key: holder, aliases: scope(tree(1)) });
  const work = createWork(decisionStepsMax);
  assert.equal(authorizeModel(snap, holder, { requested: "top", lots, work }).ok, true);
});

test("authorizeModel refuses what is more than its steps, wherever they go", () => {
  const everything = key({ grant: grant({ models: ["*"] }) });
  const denied = key({ grant: grant({ models: ["*"], deny: patterns(1024) }) });
  const chain = Array.from({ length: 60_000 }, (_, at) =>
    model(`f${at}`, { fallbacks: [`f${at + 1}`] }),
  );
  const groups = key({
    grant: {
      ...grant({}),
      models: Array.from(
        { length: 60_000 },
        () => grant({ models: ["y"] }).models[0] ?? grant({}).deny,
      ),
    },
  });
  const cases = [
    ["targets", everything, snapshot({ aliases: scope(tree(4)) }), "top"],
    ["names times patterns", denied, snapshot({ aliases: scope(tree(2)) }), "top"],
    ["fallbacks", everything, snapshot({ models: chain, closed: false }), "f0"],
    ["groups", groups, snapshot({}), "m"],
  ] as const;
  for (const [what, holder, snap, requested] of cases) {
    const work = createWork(decisionStepsMax);
    const authorization = authorizeModel(snap, holder, { requested, lots, work });
    assert.equal(!authorization.ok && authorization.reason, "policy_too_complex", what);
  }
  const few = snapshot({ models: chain.slice(0, 100), closed: false });
  const work = createWork(decisionStepsMax);
  assert.equal(authorizeModel(few, everything, { requested: "f0", lots, work }).ok, true);
});

test("authorizeModel believes no match and no miss that came after the last step", () => {
  const holder = key({ grant: grant({ models: ["m"], deny: ["other*", "m*"] }) });
  const snap = snapshot({ key: holder });
  for (let steps = 0; steps < 12; steps++) {
    const work = createWork(steps);
    const authorization = authorizeModel(snap, holder, { requested: "m", lots, work });
    assert.ok(!authorization.ok);
    assert.match(authorization.reason, /^(policy_too_complex|model_denied)$/);
  }
});

test("listModels ends where its steps end, and the lister remembers that too", () => {
  const holder = key({ grant: grant({ models: ["*"], deny: patterns(1000) }) });
  const many = Object.fromEntries(Array.from({ length: 400 }, (_, at) => [`a${at}`, "m"]));
  const snap = snapshot({ key: holder, aliases: scope(many) });
  assert.ok(400 * 1000 > listStepsMax);
  assert.equal(listModels(snap, holder), undefined);
  const lister = createModelLister();
  assert.deepEqual([lister(snap, holder), lister(snap, holder)], [undefined, undefined]);
  const less = snapshot({ key: holder, aliases: scope({ a0: "m", a1: "m" }) });
  assert.deepEqual(lister(less, holder), ["a0", "a1"]);
});

test("listModels leaves out a name that a request for it could not be decided on", () => {
  const holder = key({ grant: grant({ models: ["*"], deny: patterns(200) }) });
  const snap = snapshot({ key: holder, aliases: scope({ ...tree(2), plain: "m" }) });
  const names = listModels(snap, holder);
  assert.equal(names?.includes("plain"), true);
  assert.equal(names?.includes("top"), false);
  const work = createWork(decisionStepsMax);
  assert.equal(authorizeModel(snap, holder, { requested: "top", lots, work }).ok, false);
});
