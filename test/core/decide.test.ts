// The whole decision on whole requests: the seed's case, its mirror, and one refusal for each thing that can be wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createDecider } from "../../src/core/decide.ts";
import type { Decision } from "../../src/core/decision.ts";
import {
  type DecisionSettings,
  defaultDecisionSettings,
} from "../../src/core/decision-settings.ts";
import { type DenyReason, denials } from "../../src/core/denials.ts";
import { denialEnvelope } from "../../src/core/envelope.ts";
import type { CatalogueModel, Snapshot, VirtualKey } from "../../src/core/permission/snapshot.ts";
import type { RequestBody } from "../../src/core/request.ts";
import { grant, key, model, scope, secret, snapshot, team } from "./snapshot-builder.ts";

const qwen = "openrouter/qwen/qwen3.5-flash-02-23";
const seedTeam = { name: "research", team: team({ models: [qwen] }) };
const seedKey = key({ grant: grant({ models: [qwen] }), team: seedTeam });

type Parts = {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Put in place of the usual headers altogether. */
  readonly onlyHeaders?: Readonly<Record<string, string>>;
  readonly body?: string | RequestBody;
  readonly snapshot?: Snapshot | undefined;
  readonly key?: VirtualKey;
  readonly settings?: Partial<DecisionSettings>;
  readonly nowMs?: number;
};

const bytesOf = (text: string): RequestBody => {
  const bytes = Buffer.from(text);
  return { kind: "bytes", bytes, declaredBytes: bytes.length };
};

function decide(parts: Parts): Decision {
  const aliases = scope({ "AgentX-LLM": qwen, other: "vendor/other" });
  const snap =
    "snapshot" in parts ? parts.snapshot : snapshot({ key: parts.key ?? seedKey, aliases });
  const { body = '{"model":"AgentX-LLM","messages":[]}' } = parts;
  const usual = { authorization: `Bearer ${secret}`, "content-type": "application/json" };
  const request = {
    method: parts.method ?? "POST",
    path: parts.path ?? "/v1/chat/completions",
    headers: new Map(Object.entries(parts.onlyHeaders ?? { ...usual, ...parts.headers })),
    body: typeof body === "string" ? bytesOf(body) : body,
  };
  const decider = createDecider({ ...defaultDecisionSettings, ...parts.settings }).decide;
  return decider(snap, request, { nowMs: parts.nowMs ?? 0, draw: 0 });
}

function verdict(parts: Parts): string {
  const decision = decide(parts);
  return decision.kind === "deny" ? decision.reason : decision.kind;
}

test("decide serves the seed: an alias whose target key and team are granted", () => {
  const decision = decide({});
  assert.ok(decision.kind === "allow");
  assert.equal(decision.model, qwen);
  assert.equal(decision.requestedModel, "AgentX-LLM");
  assert.deepEqual(decision.bodyEdits, [{ offset: 9, old: '"AgentX-LLM"', new: `"${qwen}"` }]);
  const set = new Map(decision.setHeaders);
  assert.equal(set.get("x-model"), qwen);
  assert.equal(set.get("x-aliasguard-key"), "alice");
  assert.equal(set.get("x-aliasguard-team"), "research");
  assert.equal(set.get("x-aliasguard-requested-model"), "AgentX-LLM");
  assert.ok(decision.removeHeaders.includes("authorization"));
  assert.ok(!decision.removeHeaders.some((name) => set.has(name)));
});

test("decide refuses the seed's mirror: the alias named under models", () => {
  const holder = key({ grant: grant({ models: ["AgentX-LLM"] }) });
  assert.equal(verdict({ key: holder }), "model_not_granted");
  const capable = key({ grant: grant({ aliases: ["AgentX-LLM"] }) });
  assert.equal(verdict({ key: capable }), "allow");
  assert.equal(verdict({ key: capable, body: `{"model":"${qwen}"}` }), "model_not_granted");
});

test("decide leaves a body alone that already names the model", () => {
  const escaped = qwen.replaceAll("/", "\\/");
  for (const name of [qwen, escaped]) {
    const decision = decide({ body: `{"model":"${name}"}` });
    assert.ok(decision.kind === "allow");
    assert.deepEqual(decision.bodyEdits, []);
  }
});

test("decide rewrites to the upstream name and authorizes the canonical one", () => {
  const models = [model("gold-1", { upstreamName: "llama3:8b" })];
  const snap = snapshot({ key: key({ grant: grant({ models: ["gold-1"] }) }), models });
  const decision = decide({ snapshot: snap, body: '{"model":"gold-1"}' });
  assert.ok(decision.kind === "allow");
  assert.equal(decision.model, "gold-1");
  assert.equal(decision.upstreamModel, "llama3:8b");
  assert.deepEqual(decision.bodyEdits, [{ offset: 9, old: '"gold-1"', new: '"llama3:8b"' }]);
  assert.equal(verdict({ snapshot: snap, body: '{"model":"llama3:8b"}' }), "model_unknown");
});

test("decide checks and rewrites a nested model like the main one", () => {
  const body = '{"tools":[{"type":"image_generation","model":"other"}],"model":"AgentX-LLM"}';
  assert.equal(verdict({ body }), "model_not_granted");
  const both = key({ grant: grant({ models: [qwen, "vendor/other"] }) });
  const decision = decide({ key: both, body });
  assert.ok(decision.kind === "allow");
  assert.deepEqual(
    decision.bodyEdits.map((edit) => [edit.offset, edit.old, edit.new]),
    [
      [body.indexOf('"other"'), '"other"', '"vendor/other"'],
      [body.indexOf('"AgentX-LLM"'), '"AgentX-LLM"', `"${qwen}"`],
    ],
  );
  const headerOnly = { bodyEdits: "header-only" } as const;
  assert.equal(verdict({ key: both, body, settings: headerOnly }), "field_not_allowed");
});

test("decide makes no edit where Envoy alone chooses the backend", () => {
  const decision = decide({ settings: { bodyEdits: "header-only" } });
  assert.ok(decision.kind === "allow");
  assert.deepEqual(decision.bodyEdits, []);
  assert.equal(new Map(decision.setHeaders).get("x-model"), qwen);
});

test("decide lets a field through for a leaf backend that a router backend may not have", () => {
  const body = '{"model":"m","provider":{"order":["x"]}}';
  const holder = key({ grant: grant({ models: ["m"] }) });
  const leaf = snapshot({ key: holder, models: [model("m", { backend: "leaf" })] });
  const router = snapshot({ key: holder, models: [model("m")] });
  assert.equal(verdict({ snapshot: leaf, body }), "allow");
  assert.equal(verdict({ snapshot: router, body }), "field_not_allowed");
  assert.equal(verdict({ key: holder, body }), "field_not_allowed");
});

test("decide refuses unknown fields wherever a router backend can run, unless its Model takes them", () => {
  const body = '{"model":"m","zzz":1}';
  const holder = key({ grant: grant({ models: ["m"] }) });
  const given = (parts: Partial<CatalogueModel>): string =>
    verdict({ snapshot: snapshot({ key: holder, models: [model("m", parts)] }), body });
  assert.equal(given({}), "field_not_allowed");
  assert.equal(given({ bodyFields: new Set(["zzz"]) }), "allow");
  assert.equal(given({ bodyFields: new Set(["zz", "z"]) }), "field_not_allowed");
  assert.equal(given({ backend: "leaf" }), "allow");
  assert.equal(given({ backend: "leaf", refusedFields: new Set(["zzz"]) }), "field_not_allowed");
  assert.equal(verdict({ key: holder, body }), "field_not_allowed");
});

const refusals: readonly (readonly [DenyReason, Parts])[] = [
  ["route_not_allowed", { path: "/v1/files" }],
  ["method_not_allowed", { method: "PUT" }],
  ["upgrade_not_allowed", { headers: { upgrade: "websocket" } }],
  ["header_not_allowed", { headers: { x_model: "a" } }],
  ["header_not_allowed", { headers: { connection: "keep-alive, x-model" } }],
  ["header_not_allowed", { headers: { "x-http-method-override": "GET" } }],
  ["query_not_allowed", { path: "/v1/chat/completions?model=x" }],
  ["query_not_allowed", { path: "/v1/messages?beta=true;model=x" }],
  ["query_not_allowed", { path: "/v1/chat/completions?mod%65l=x" }],
  ["policy_missing", { snapshot: undefined }],
  ["key_missing", { onlyHeaders: { "content-type": "application/json" } }],
  ["key_malformed", { headers: { authorization: "Basic abc" } }],
  ["key_ambiguous", { headers: { "x-api-key": `${secret}x` } }],
  ["key_unknown", { headers: { authorization: `Bearer ${secret}x` } }],
  ["key_disabled", { key: key({ disabled: true }) }],
  ["key_expired", { key: key({ expiresAtMs: 0 }) }],
  ["key_not_yet_valid", { key: key({ notBeforeMs: 1 }) }],
  [
    "key_team_disabled",
    { key: key({ team: { name: "off", team: team({}, {}, { disabled: true }) } }) },
  ],
  ["key_previous_expired", { snapshot: snapshot({ record: { key: key(), validUntilMs: 0 } }) }],
  ["key_team_missing", { key: key({ team: { name: "gone", team: undefined } }) }],
  ["media_type_unsupported", { headers: { "content-type": "text/plain" } }],
  ["media_type_unsupported", { headers: { "content-type": "application/json; charset=utf-16" } }],
  ["media_type_unsupported", { headers: { "content-type": "application/x-www-form-urlencoded" } }],
  ["encoding_unsupported", { headers: { "content-encoding": "gzip" } }],
  ["body_missing", { body: { kind: "none" } }],
  ["body_truncated", { headers: { "x-envoy-auth-partial-body": "true" } }],
  ["body_truncated", { body: { kind: "bytes", bytes: Buffer.from("{}"), declaredBytes: 3 } }],
  ["body_truncated", { headers: { "content-length": "999" } }],
  ["body_length_mismatch", { headers: { "content-length": "1" } }],
  ["body_too_large", { settings: { bodyBytesMax: 10 } }],
  [
    "body_not_raw",
    { body: { kind: "text", text: '{"model":"AgentX-LLM"}', declaredBytes: undefined } },
  ],
  [
    "body_not_utf8",
    { body: { kind: "bytes", bytes: Buffer.from([0x7b, 0xff, 0x7d]), declaredBytes: 3 } },
  ],
  ["body_not_json", { body: '{"model":"AgentX-LLM",}' }],
  ["body_not_object", { body: "[]" }],
  ["body_duplicate_key", { body: '{"model":"AgentX-LLM","model":"x"}' }],
  ["body_key_not_allowed", { body: '{"model":"AgentX-LLM","Model":"x"}' }],
  ["body_lone_surrogate", { body: String.raw`{"model":"AgentX-LLM","o":{"\ud800":1}}` }],
  ["body_too_deep", { body: `{"a":${"[".repeat(64)}${"]".repeat(64)}}` }],
  [
    "body_too_many_keys",
    { body: `{${Array.from({ length: 10_001 }, (_, at) => `"k${at}":0`).join()}}` },
  ],
  ["body_number_too_long", { body: `{"n":${"1".repeat(513)}}` }],
  ["model_missing", { body: "{}" }],
  ["model_invalid", { body: '{"model":"a b "}' }],
  ["field_not_allowed", { body: '{"model":"AgentX-LLM","fallbacks":["x"]}' }],
  ["model_not_granted", { body: '{"model":"vendor/other"}' }],
  ["model_denied", { key: key({ grant: grant({ models: ["*"], deny: [qwen] }) }) }],
  ["model_unknown", { snapshot: snapshot({ key: seedKey, models: [model("m")] }) }],
  [
    "alias_unusable",
    { snapshot: snapshot({ key: seedKey, aliases: scope({ "AgentX-LLM": "AgentX-LLM" }) }) },
  ],
  [
    "fallback_unknown",
    {
      snapshot: snapshot({
        key: seedKey,
        models: [model("AgentX-LLM", { fallbacks: ["nobody"] })],
      }),
    },
  ],
  [
    "policy_too_complex",
    { key: key({ grant: grant({ deny: Array.from({ length: 100_000 }, (_, at) => `${at}*`) }) }) },
  ],
];

test("decide refuses each request in which one thing is wrong, for that reason", () => {
  for (const [reason, parts] of refusals) assert.equal(verdict(parts), reason, reason);
});

test("decide has a case for every deny reason that the core gives", () => {
  // Given by the server, by upstream-credential.ts, and by operations that test/cases has.
  const elsewhere = new Set([
    ...["request_unreadable", "overloaded", "internal", "upstream_credential_missing"],
    ...["model_conflict", "body_not_multipart", "body_not_buffered"],
  ]);
  const covered = new Set<string>(refusals.map(([reason]) => reason));
  const missing = Object.keys(denials).filter(
    (reason) => !covered.has(reason) && !elsewhere.has(reason),
  );
  assert.deepEqual(missing, []);
});

test("decide never tells the caller a target, and answers unknown and forbidden alike", () => {
  const bodies = ['{"model":"vendor/other"}', '{"model":"other"}', '{"model":"nobody-knows"}'];
  const answers = bodies.map((body) => {
    const decision = decide({ body });
    assert.ok(decision.kind === "deny");
    return JSON.stringify(denialEnvelope(decision));
  });
  assert.equal(new Set(answers).size, 1);
  assert.ok(!answers.join().includes("vendor"));
});

test("decide takes honest content types, and sets the type where none came", () => {
  for (const type of [
    "application/json",
    "Application/JSON; charset=UTF-8",
    'application/json;charset="utf-8"',
    "application/json;",
  ]) {
    assert.equal(verdict({ headers: { "content-type": type } }), "allow", type);
  }
  const decision = decide({ onlyHeaders: { "x-api-key": secret } });
  assert.ok(decision.kind === "allow");
  assert.equal(new Map(decision.setHeaders).get("content-type"), "application/json");
  const form = decide({
    path: "/api/chat",
    headers: { "content-type": "application/x-www-form-urlencoded" },
  });
  assert.ok(form.kind === "allow");
  assert.equal(new Map(form.setHeaders).get("content-type"), "application/json");
});

test("decide takes text bodies only when told to, and refuses ! in a key of one", () => {
  const text = (body: string): Parts => ({
    body: { kind: "text", text: body, declaredBytes: undefined },
    settings: { acceptTextBody: true },
  });
  assert.equal(verdict(text('{"model":"AgentX-LLM","messages":["hé!"]}')), "allow");
  assert.equal(verdict(text('{"model":"AgentX-LLM","o":{"k!":1}}')), "body_key_not_allowed");
});

test("decide removes every routing header that the caller sent", () => {
  const decision = decide({
    headers: {
      "x-model": "evil",
      "x-litellm-tags": "a",
      "helicone-auth": "b",
      "x-aliasguard-admin": "c",
      accept: "d",
    },
  });
  assert.ok(decision.kind === "allow");
  for (const name of ["x-litellm-tags", "helicone-auth", "x-aliasguard-admin", "x-ai-eg-model"]) {
    assert.ok(decision.removeHeaders.includes(name), name);
  }
  assert.ok(!decision.removeHeaders.includes("x-model"));
  assert.ok(!decision.removeHeaders.includes("accept"));
});

test("decide lists what the key can call, in the dialect that the headers ask for", () => {
  const list = (headers: Readonly<Record<string, string>>, path = "/v1/models"): unknown => {
    const decision = decide({ method: "GET", path, headers, body: { kind: "none" } });
    assert.ok(decision.kind === "answer");
    return JSON.parse(decision.body);
  };
  const ids = ["AgentX-LLM", qwen];
  assert.deepEqual(list({}), {
    object: "list",
    data: ids.map((id) => ({ id, object: "model", created: 0, owned_by: "aliasguard" })),
  });
  const anthropic = list({ "anthropic-version": "2023-06-01" }) as {
    data: { id: string }[];
    has_more: boolean;
  };
  assert.deepEqual(
    anthropic.data.map(({ id }) => id),
    ids,
  );
  assert.equal(anthropic.has_more, false);
  const paged = list({ "anthropic-version": "2023-06-01" }, "/v1/models?limit=1") as {
    has_more: boolean;
  };
  assert.equal(paged.has_more, true);
  const tags = list({}, "/api/tags") as { models: { name: string }[] };
  assert.deepEqual(
    tags.models.map(({ name }) => name),
    ids,
  );
});

test("decide answers for one model what a request for it would meet", () => {
  const get = (path: string): string => verdict({ method: "GET", path, body: { kind: "none" } });
  assert.equal(get("/v1/models/AgentX-LLM"), "answer");
  assert.equal(get(`/v1/models/${encodeURIComponent(qwen)}`), "answer");
  assert.equal(get("/v1/models/other"), "model_not_granted");
});

test("decide answers probes of the root without a key", () => {
  const decision = decide({
    method: "GET",
    path: "/",
    onlyHeaders: {},
    body: { kind: "none" },
    snapshot: undefined,
  });
  assert.equal(decision.kind, "answer");
});

test("decide tells the public id of a key that nobody has or that is malformed, and of no other", () => {
  const ours = `ag_c5cwkz26_${"x".repeat(43)}`;
  const keyIdOf = (headers: Readonly<Record<string, string>>): string | undefined =>
    decide({ headers }).keyId;
  assert.equal(keyIdOf({ authorization: `Bearer ${ours}` }), "c5cwkz26");
  assert.equal(keyIdOf({ authorization: `Basic ${ours}` }), "c5cwkz26");
  assert.equal(keyIdOf({ authorization: `Bearer sk-${"x".repeat(30)}` }), undefined);
  assert.equal(keyIdOf({}), undefined);
});
