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

const names = ["a", "b", "c", "d", "e", "v/m", "v/n", "v/auto", "v//m"] as const;
/** Of which a wildcard grants none: a stand-in, and one that a server may read as another. */
const neverByWildcard: ReadonlySet<string> = new Set(["v/auto", "v//m"]);
const name = fc.constantFrom(...names);
const pattern = fc.constantFrom(...names, "*", "*", "*", "v/*", "*/m", "a*");
const aliasName = fc.constantFrom(...names, "*", "v/*", "v/m*", "a*");
const grants = fc.record({
  models: fc.array(pattern, { maxLength: 4 }),
  aliases: fc.array(aliasName, { maxLength: 2 }),
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
const aliases = fc.dictionary(aliasName, targets, { maxKeys: 4, noNullPrototype: true });
const world = fc.record({
  own: aliases,
  ofTeam: aliases,
  everybody: aliases,
  keyGrant: fc.option(grants, { nil: undefined }),
  teamGrant: fc.option(grants, { nil: undefined }),
  models: fc.dictionary(name, fc.array(name, { maxLength: 1 }), {
    maxKeys: 2,
    noNullPrototype: true,
  }),
  closed: fc.oneof(
    { weight: 4, arbitrary: fc.constant(false) },
    { weight: 1, arbitrary: fc.constant(true) },
  ),
  requested: name,
  nested: fc.option(name, { nil: undefined }),
  draw: fc.double({ min: 0, max: 0.999999, noNaN: true }),
});
type World = typeof world extends fc.Arbitrary<infer Value> ? Value : never;

type Origin = "sent" | "reached" | "exact";

/** The alias that takes a name, nearest scope first: its own name, or the longest beginning. */
function lookUp(of: World, requested: string, origin: Origin): string | undefined {
  for (const scopeOf of scopesOf(of)) {
    if (Object.hasOwn(scopeOf, requested)) return requested;
    if (origin === "exact") continue;
    if (scopeOf === of.everybody && Object.hasOwn(of.models, requested)) continue;
    const [longest] = Object.keys(scopeOf)
      .filter((each) => each.endsWith("*") && requested.startsWith(each.slice(0, -1)))
      .filter((each) => each !== "*" || origin === "sent")
      .sort((a, b) => b.length - a.length);
    if (longest !== undefined) return longest;
  }
  return undefined;
}

function scopesOf(of: World): readonly Readonly<Record<string, Targets>>[] {
  return [of.own, ...(of.teamGrant === undefined ? [] : [of.ofTeam]), of.everybody];
}

/** Every way that a name can go, as lists of names; undefined when one of them never ends. */
function waysOf(
  of: World,
  requested: string,
  origin: Origin = "sent",
  depth = 0,
): string[][] | undefined {
  const alias = lookUp(of, requested, origin);
  if (alias === undefined) return [[requested]];
  if (depth === 8) return undefined;
  const ways: string[][] = [];
  const next = origin === "exact" || alias.endsWith("*") ? "exact" : "reached";
  const holder = scopesOf(of).find(
    (each) => Object.hasOwn(each, alias) && isIn(of, each, requested, alias),
  );
  for (const [to] of holder?.[alias] ?? []) {
    const rest = waysOf(of, to, next, depth + 1);
    if (rest === undefined) return undefined;
    ways.push(...rest.map((way) => [requested, ...way]));
  }
  return ways;
}

/** Everybody's pattern does not take a catalogued name, but a team's of the same text does. */
function isIn(
  of: World,
  scopeOf: Readonly<Record<string, Targets>>,
  requested: string,
  alias: string,
): boolean {
  return alias === requested || scopeOf !== of.everybody || !Object.hasOwn(of.models, requested);
}

/** The models and what they fall back to, at whatever remove. */
function withFallbacks(of: World, models: readonly string[]): readonly string[] {
  const all = new Set(models);
  for (const each of all) for (const other of of.models[each] ?? []) all.add(other);
  return [...all];
}

function matches(patterns: readonly string[] | undefined, text: string): boolean {
  return (patterns ?? []).some((each) =>
    new RegExp(`^${each.replaceAll("/", "\\/").replaceAll("*", ".*")}$`).test(text),
  );
}

function mayUse(of: World, requested: string): boolean {
  const ways = waysOf(of, requested);
  if (ways === undefined) return false;
  const models = withFallbacks(
    of,
    ways.map((way) => way[way.length - 1] ?? ""),
  );
  if (of.closed && !models.every((each) => Object.hasOwn(of.models, each))) return false;
  const holders: GrantParts[] = [of.keyGrant, of.teamGrant].filter((each) => each !== undefined);
  if (holders.length === 0) return false;
  const alias = lookUp(of, requested, "sent");
  return holders.every((holder) => {
    if ([...ways.flat(), ...models].some((each) => matches(holder.deny, each))) return false;
    if (alias !== undefined && holder.aliases?.includes(alias) === true) return true;
    return models.every((each) => {
      if (holder.models?.includes(each) === true) return true;
      return !neverByWildcard.has(each) && matches(holder.models, each);
    });
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
      const models = Object.entries(of.models).map(([each, fallbacks]) =>
        model(each, { fallbacks }),
      );
      const { closed } = of;
      const snap = snapshot({ key: keyOf(of), aliases: scope(of.everybody), models, closed });
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
