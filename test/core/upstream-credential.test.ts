// Which credential the backend gets, and that it stands in the headers of an allow and nowhere else.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createDecider } from "../../src/core/decide.ts";
import type { Decision } from "../../src/core/decision.ts";
import { defaultDecisionSettings } from "../../src/core/decision-settings.ts";
import type { UpstreamCredential } from "../../src/core/permission/snapshot.ts";
import { withUpstreamCredentials } from "../../src/core/upstream-credential.ts";
import { grant, key, model, secret, snapshot } from "./snapshot-builder.ts";

const values = new Map([
  ["openrouter", "sk-or-0123456789"],
  ["basic", "Basic dXNlcjpwYXNz"],
]);

type Parts = {
  readonly upstreamCredential?: UpstreamCredential;
  readonly lookup?: ReadonlyMap<string, string>;
  readonly keepCredentials?: boolean;
  readonly requested?: string;
};

function decide({
  upstreamCredential,
  lookup = values,
  keepCredentials = false,
  requested = "m",
}: Parts): Decision {
  const settings = { ...defaultDecisionSettings, keepCredentials };
  const decider = withUpstreamCredentials(
    createDecider(settings),
    (name) => lookup.get(name),
    settings,
  );
  const models = [
    model("m", upstreamCredential === undefined ? {} : { upstreamCredential }),
    model("n"),
  ];
  const bytes = Buffer.from(JSON.stringify({ model: requested }));
  const request = {
    method: "POST",
    path: "/v1/chat/completions",
    headers: new Map([
      ["authorization", `Bearer ${secret}`],
      ["content-type", "application/json"],
    ]),
    body: { kind: "bytes", bytes, declaredBytes: bytes.length },
  } as const;
  const holder = key({ grant: grant({ models: ["m"] }) });
  const context = { nowMs: 0, draw: 0 };
  assert.equal(
    decider.decideHeaders(snapshot({ key: holder, models }), request, context),
    undefined,
  );
  return decider.decide(snapshot({ key: holder, models }), request, context);
}

function headersOf(decision: Decision): ReadonlyMap<string, string> {
  assert.ok(decision.kind === "allow", JSON.stringify(decision));
  const set = new Map(decision.setHeaders);
  assert.equal(set.size, decision.setHeaders.length);
  assert.deepEqual(
    decision.removeHeaders.filter((name) => set.has(name)),
    [],
  );
  return set;
}

test("withUpstreamCredentials puts a model's credential where its backend wants it", () => {
  const bearer = decide({ upstreamCredential: { name: "openrouter", header: "authorization" } });
  assert.equal(headersOf(bearer).get("authorization"), "Bearer sk-or-0123456789");
  const other = decide({ upstreamCredential: { name: "openrouter", header: "x-api-key" } });
  assert.equal(headersOf(other).get("x-api-key"), "sk-or-0123456789");
  assert.equal(headersOf(other).has("authorization"), false);
  assert.ok(other.kind === "allow" && other.removeHeaders.includes("authorization"));
});

test("withUpstreamCredentials leaves a value with a scheme as it is", () => {
  const basic = decide({ upstreamCredential: { name: "basic", header: "authorization" } });
  assert.equal(headersOf(basic).get("authorization"), "Basic dXNlcjpwYXNz");
});

test("withUpstreamCredentials refuses a model whose credential is not there", () => {
  const missing = decide({ upstreamCredential: { name: "gone", header: "authorization" } });
  assert.ok(missing.kind === "deny");
  assert.equal(missing.reason, "upstream_credential_missing");
  assert.equal(missing.key, "alice");
  assert.equal(missing.requestedModel, "m");
});

test("withUpstreamCredentials gives the default to models that name none, where there is one", () => {
  assert.equal(headersOf(decide({})).has("authorization"), false);
  const lookup = new Map([...values, ["default", "sk-litellm-0123456789"]]);
  assert.equal(headersOf(decide({ lookup })).get("authorization"), "Bearer sk-litellm-0123456789");
  const own = { name: "openrouter", header: "authorization" } as const;
  const decision = decide({ lookup, upstreamCredential: own });
  assert.equal(headersOf(decision).get("authorization"), "Bearer sk-or-0123456789");
});

test("withUpstreamCredentials overwrites a credential that is kept", () => {
  const own = { name: "openrouter", header: "authorization" } as const;
  const decision = decide({ keepCredentials: true, upstreamCredential: own });
  assert.equal(headersOf(decision).get("authorization"), "Bearer sk-or-0123456789");
});

test("withUpstreamCredentials leaves refusals alone", () => {
  const decision = decide({ requested: "n", lookup: new Map([["default", "sk-0123456789"]]) });
  assert.ok(decision.kind === "deny");
  assert.equal(decision.reason, "model_not_granted");
  assert.ok(!JSON.stringify(decision).includes("sk-0123456789"));
});

test("withUpstreamCredentials gives unchecked routes the default, where there is one", () => {
  const settings = { ...defaultDecisionSettings, uncheckedRoutes: ["GET /v1/files"] };
  const request = {
    method: "GET",
    path: "/v1/files",
    headers: new Map([["authorization", `Bearer ${secret}`]]),
    body: { kind: "none" },
  } as const;
  const context = { nowMs: 0, draw: 0 };
  const found = [new Map([["default", "sk-litellm-1"]]), new Map<string, string>()].map(
    (lookup) => {
      const decider = withUpstreamCredentials(
        createDecider(settings),
        (name) => lookup.get(name),
        settings,
      );
      const decision = decider.decideHeaders(snapshot({}), request, context);
      assert.ok(decision?.kind === "pass");
      assert.equal(decision.removeHeaders.includes("authorization"), lookup.size === 0);
      return new Map(decision.setHeaders).get("authorization");
    },
  );
  assert.deepEqual(found, ["Bearer sk-litellm-1", undefined]);
});

test("withUpstreamCredentials lets no credential of the caller's reach the backend beside it", () => {
  for (const keepCredentials of [false, true]) {
    const settings = {
      ...{ ...defaultDecisionSettings, keepCredentials },
      keyCarriers: ["authorization"] as const,
    };
    const request = {
      method: "POST",
      path: "/v1/chat/completions?key=mine",
      headers: new Map([
        ["authorization", `Bearer ${secret}`],
        ["x-litellm-api-key", "mine"],
        ["content-type", "application/json"],
      ]),
      body: { kind: "bytes", bytes: Buffer.from('{"model":"m"}'), declaredBytes: undefined },
    } as const;
    const holder = key({ grant: grant({ models: ["m"] }) });
    const upstreamCredential = { name: "openrouter", header: "x-api-key" } as const;
    const policy = snapshot({ key: holder, models: [model("m", { upstreamCredential })] });
    const [has, lacks] = [values, new Map<string, string>()].map((lookup) => {
      const open = createDecider(settings);
      const decider = withUpstreamCredentials(open, (name) => lookup.get(name), settings);
      const decide = lookup.size > 0 ? decider.decide : open.decide;
      const decision = decide(policy, request, { nowMs: 0, draw: 0 });
      assert.ok(decision.kind === "allow");
      const { removeHeaders, path = request.path } = decision;
      const left = ["authorization", "x-litellm-api-key"].filter((n) => !removeHeaders.includes(n));
      return { left, path };
    });
    const kept = keepCredentials ? ["authorization"] : [];
    assert.deepEqual(has, { left: kept, path: "/v1/chat/completions" });
    assert.deepEqual(lacks, { left: [...kept, "x-litellm-api-key"], path: request.path });
  }
});
