// Every model that can run must be granted, by the key and by its team.

import assert from "node:assert/strict";
import { test } from "node:test";
import { refuseRawModel } from "../../../src/core/permission/authorize.ts";
import type { VirtualKey } from "../../../src/core/permission/snapshot.ts";
import { createWork, decisionStepsMax } from "../../../src/core/permission/work.ts";
import {
  type AliasParts,
  authorizeName,
  grant,
  key,
  model,
  scope,
  snapshot,
  team,
} from "../snapshot-builder.ts";

const qwen = "openrouter/qwen/qwen3.5-flash-02-23";
const lots = { draw: 0, headers: new Map<string, string>() };

function verdict(
  of: VirtualKey,
  requested: string,
  aliases: AliasParts = { "AgentX-LLM": qwen },
): string {
  const authorization = authorizeName(snapshot({ aliases: scope(aliases) }), of, requested, lots);
  return authorization.ok ? `allow ${authorization.resolution.model}` : authorization.reason;
}

const withGrant = (parts: Parameters<typeof grant>[0]): VirtualKey => key({ grant: grant(parts) });

test("authorizeModel allows an alias whose target is granted (LiteLLM #25281)", () => {
  assert.equal(verdict(withGrant({ models: [qwen] }), "AgentX-LLM"), `allow ${qwen}`);
});

test("authorizeModel refuses an alias granted only by its name under models", () => {
  assert.equal(verdict(withGrant({ models: ["AgentX-LLM"] }), "AgentX-LLM"), "model_not_granted");
});

test("authorizeModel takes an alias grant as a capability, through that name only", () => {
  const holder = withGrant({ aliases: ["AgentX-LLM"] });
  assert.equal(verdict(holder, "AgentX-LLM"), `allow ${qwen}`);
  assert.equal(verdict(holder, qwen), "model_not_granted");
  const outer = { "AgentX-LLM": qwen, outer: "AgentX-LLM" };
  assert.equal(verdict(holder, "outer", outer), "model_not_granted");
});

test("authorizeModel does not take an alias grant for a model of the same name", () => {
  assert.equal(verdict(withGrant({ aliases: [qwen] }), qwen), "model_not_granted");
});

test("authorizeModel wants every weighted target granted, whatever is drawn", () => {
  const mix: AliasParts = {
    mix: [
      ["a", 999_999],
      ["b", 1],
    ],
  };
  assert.equal(verdict(withGrant({ models: ["a"] }), "mix", mix), "model_not_granted");
  assert.equal(verdict(withGrant({ models: ["a", "b"] }), "mix", mix), "allow a");
});

test("authorizeModel wants both the key's grant and the team's", () => {
  const of = (mine: readonly string[], theirs: readonly string[]): VirtualKey =>
    key({ grant: grant({ models: mine }), team: { name: "t", team: team({ models: theirs }) } });
  assert.equal(verdict(of([qwen], [qwen]), qwen), `allow ${qwen}`);
  assert.equal(verdict(of([qwen], []), qwen), "model_not_granted");
  assert.equal(verdict(of([], [qwen]), qwen), "model_not_granted");
});

test("authorizeModel says whose grant refused", () => {
  const holder = key({
    grant: grant({ models: [qwen] }),
    team: { name: "t", team: team({ models: ["other"] }) },
  });
  const refused = authorizeName(snapshot({}), holder, qwen, lots);
  assert.ok(!refused.ok);
  assert.deepEqual(refused.trace, { model: qwen, hops: [], refusedBy: "team" });
});

test("authorizeModel lets a key without grants inherit its team's, and gives one without a team nothing", () => {
  const member = key({ team: { name: "t", team: team({ models: [qwen] }) } });
  assert.equal(verdict(member, qwen), `allow ${qwen}`);
  assert.equal(verdict(key(), qwen), "model_not_granted");
  assert.equal(
    verdict(key({ team: { name: "gone", team: undefined } }), qwen),
    "model_not_granted",
  );
});

test("authorizeModel gives an empty grant nothing although the team's would allow", () => {
  const holder = key({ grant: grant({}), team: { name: "t", team: team({ models: ["*"] }) } });
  assert.equal(verdict(holder, qwen), "model_not_granted");
});

test("authorizeModel lets deny win on the requested name, on every hop and on every target", () => {
  const aliases: AliasParts = {
    start: "middle",
    middle: [
      ["a", 1],
      ["b", 1],
    ],
  };
  for (const deny of ["start", "middle", "b", "mid*", "*"]) {
    assert.equal(
      verdict(withGrant({ models: ["*"], deny: [deny] }), "start", aliases),
      "model_denied",
      deny,
    );
  }
  assert.equal(
    verdict(withGrant({ models: ["*"], deny: ["c", "B"] }), "start", aliases),
    "allow a",
  );
});

test("authorizeModel lets deny win over an alias grant", () => {
  const holder = withGrant({ aliases: ["AgentX-LLM"], deny: [qwen] });
  assert.equal(verdict(holder, "AgentX-LLM"), "model_denied");
});

test("authorizeModel lets the team's deny hit a key with its own grant", () => {
  const holder = key({
    grant: grant({ models: ["*"] }),
    team: { name: "t", team: team({ models: ["*"], deny: ["openrouter/*"] }) },
  });
  assert.equal(verdict(holder, qwen), "model_denied");
  assert.equal(verdict(holder, "local"), "allow local");
});

test("authorizeModel refuses a name outside a closed catalogue, granted or not", () => {
  const snap = snapshot({ models: [model("known")] });
  const all = withGrant({ models: ["*"] });
  const unknown = authorizeName(snap, all, "unknown", lots);
  assert.equal(!unknown.ok && unknown.reason, "model_unknown");
  assert.equal(authorizeName(snap, all, "known", lots).ok, true);
});

test("refuseRawModel judges what the backend knows by a name, its fallbacks too, and not a namesake of ours", () => {
  const models = [
    model("cheap", { upstreamName: "q" }),
    model("gold", { upstreamName: "g", fallbacks: ["f"] }),
    model("n", { upstreamName: "other" }),
  ];
  const refused = (granted: readonly string[], name: string, closed = false): boolean => {
    const holder = withGrant({ models: granted });
    const snap = snapshot({ models, closed });
    const work = createWork(decisionStepsMax);
    return refuseRawModel(snap, holder, { name, work }) !== undefined;
  };
  assert.equal(refused(["cheap"], "q"), false);
  assert.equal(refused(["q"], "q"), false);
  assert.equal(refused(["q"], "q", true), true);
  assert.equal(refused(["other"], "q"), true);
  assert.equal(refused(["gold"], "g"), true);
  assert.equal(refused(["gold", "f"], "g"), false);
  // What the backend calls n is not what is called n here.
  assert.equal(refused(["n"], "n"), true);
  assert.equal(refused(["n"], "other"), false);
});

test("refuseRawModel refuses when its steps are used up", () => {
  const snap = snapshot({ models: [model("cheap", { upstreamName: "q" })], closed: false });
  for (const steps of [0, 1]) {
    const work = createWork(steps);
    assert.ok(refuseRawModel(snap, withGrant({ models: ["cheap"] }), { name: "q", work }));
  }
});
