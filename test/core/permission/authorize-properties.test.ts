// The promise as a property: no request is allowed unless a grant names every model that can run, and the body that
// reaches the backend names the authorized model. Judged by a second, plain reading of the policy.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createDecider } from "../../../src/core/decide.ts";
import { defaultDecisionSettings } from "../../../src/core/decision-settings.ts";
import type { VirtualKey } from "../../../src/core/permission/snapshot.ts";
import {
  type GrantParts,
  grant,
  key,
  model,
  scope,
  secret,
  snapshot,
} from "../snapshot-builder.ts";

const names = ["a", "b", "c", "d", "e", "v/m", "v/n"] as const;
const name = fc.constantFrom(...names);
const pattern = fc.constantFrom(...names, "*", "v/*", "*/m", "a*");
const grants = fc.record({
  models: fc.array(pattern, { maxLength: 4 }),
  aliases: fc.array(name, { maxLength: 2 }),
  deny: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(pattern, { maxLength: 1 }) },
  ),
});
type Targets = readonly (readonly [string, number])[];
const targets: fc.Arbitrary<Targets> = fc.array(fc.tuple(name, fc.integer({ min: 1, max: 9 })), {
  minLength: 1,
  maxLength: 3,
});
const aliases = fc.dictionary(name, targets, { maxKeys: 4, noNullPrototype: true });
const world = fc.record({
  own: aliases,
  ofTeam: aliases,
  everybody: aliases,
  keyGrant: fc.option(grants, { nil: undefined }),
  teamGrant: fc.option(grants, { nil: undefined }),
  catalogue: fc.option(fc.uniqueArray(name, { minLength: 1 }), { nil: undefined }),
  requested: name,
  nested: fc.option(name, { nil: undefined }),
  draw: fc.double({ min: 0, max: 0.999999, noNaN: true }),
});
type World = typeof world extends fc.Arbitrary<infer Value> ? Value : never;

/** The aliases that are in scope under a name, nearest first. */
function lookUp(of: World, requested: string): Targets | undefined {
  const scopes = [of.own, of.teamGrant === undefined ? {} : of.ofTeam, of.everybody];
  return scopes.find((each) => Object.hasOwn(each, requested))?.[requested];
}

/** Every way that a name can go, as lists of names; undefined when one of them never ends. */
function waysOf(of: World, requested: string, depth = 0): string[][] | undefined {
  const next = lookUp(of, requested);
  if (next === undefined) return [[requested]];
  if (depth === 8) return undefined;
  const ways: string[][] = [];
  for (const [to] of next) {
    const rest = waysOf(of, to, depth + 1);
    if (rest === undefined) return undefined;
    ways.push(...rest.map((way) => [requested, ...way]));
  }
  return ways;
}

function matches(patterns: readonly string[] | undefined, text: string): boolean {
  return (patterns ?? []).some((each) =>
    new RegExp(`^${each.replaceAll("/", "\\/").replaceAll("*", ".*")}$`).test(text),
  );
}

function mayUse(of: World, requested: string): boolean {
  const ways = waysOf(of, requested);
  if (ways === undefined) return false;
  const models = ways.map((way) => way[way.length - 1] ?? "");
  if (
    of.catalogue !== undefined &&
    !models.every((each) => of.catalogue?.some((known) => known === each))
  )
    return false;
  const holders: GrantParts[] = [of.keyGrant, of.teamGrant].filter((each) => each !== undefined);
  if (holders.length === 0) return false;
  return holders.every((holder) => {
    if (ways.flat().some((each) => matches(holder.deny, each))) return false;
    const isAlias = lookUp(of, requested) !== undefined;
    if (isAlias && holder.aliases?.includes(requested) === true) return true;
    return models.every((each) => matches(holder.models, each));
  });
}

function keyOf(of: World): VirtualKey {
  const team =
    of.teamGrant === undefined
      ? undefined
      : {
          name: "t",
          team: {
            name: "t",
            disabled: false,
            grant: grant(of.teamGrant),
            aliases: scope(of.ofTeam),
          },
        };
  const mine = of.keyGrant === undefined ? undefined : grant(of.keyGrant);
  return key({ grant: mine, team, aliases: scope(of.own) });
}

test("decide allows exactly what a plain reading of the policy allows, and edits the body to it", () => {
  const { decide } = createDecider(defaultDecisionSettings);
  let allowed = 0;
  let refused = 0;
  fc.assert(
    fc.property(world, (of) => {
      const models = of.catalogue?.map((each) => model(each));
      const parts = { key: keyOf(of), aliases: scope(of.everybody) };
      const snap = snapshot(models === undefined ? parts : { ...parts, models });
      const tools = of.nested === undefined ? {} : { tools: [{ type: "x", model: of.nested }] };
      const bytes = Buffer.from(JSON.stringify({ ...tools, model: of.requested }));
      const headers = new Map([["authorization", `Bearer ${secret}`]]);
      const body = { kind: "bytes", bytes, declaredBytes: bytes.length } as const;
      const request = { method: "POST", path: "/v1/responses", headers, body };
      const decision = decide(snap, request, { nowMs: 0, draw: of.draw });
      const asked = [of.requested, ...(of.nested === undefined ? [] : [of.nested])];
      const wanted = asked.every((each) => mayUse(of, each)) ? "allow" : "deny";
      assert.equal(decision.kind, wanted);
      if (decision.kind === "allow") allowed++;
      else refused++;
      if (decision.kind !== "allow") return;
      let text = bytes.toString();
      for (const edit of [...decision.bodyEdits].reverse()) {
        assert.equal(text.slice(edit.offset, edit.offset + edit.old.length), edit.old);
        text = text.slice(0, edit.offset) + edit.new + text.slice(edit.offset + edit.old.length);
      }
      const reached = JSON.parse(text) as { model: string; tools?: { model: string }[] };
      assert.equal(reached.model, decision.model);
      for (const [at, sent] of [
        reached.model,
        ...(reached.tools ?? []).map((tool) => tool.model),
      ].entries()) {
        const ends = waysOf(of, asked[at] ?? "")?.map((way) => way[way.length - 1]);
        assert.ok(ends?.includes(sent), `${sent} is nothing that ${asked[at]} can run`);
      }
    }),
    { numRuns: 6000, interruptAfterTimeLimit: 4000 },
  );
  // Both answers were put to the test, not only the easy one.
  assert.ok(allowed > 200 && refused > 200, `${allowed} allowed, ${refused} refused`);
});
