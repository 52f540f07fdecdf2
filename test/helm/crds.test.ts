// The custom resource definitions on a real API server, and lint beside it: one table of objects, each with what the
// server must say of it, judged by both.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it, test } from "node:test";
import { crdDefinitions } from "../../helm/crd-schemas.ts";
import { crdText } from "../../helm/write-crds.ts";
import { decodeResource } from "../../src/policy/decode/decode.ts";
import { run } from "../support/child.ts";
import { getKubeBinaries, type KubeApi, startKubeApi } from "../support/kube-api.ts";
import { requirement } from "../support/requirements.ts";

const folder = join(import.meta.dirname, "../../helm/aliasguard/files/crds");

test("the chart's definitions are those of helm/crd-schemas.ts (npm run crds)", () => {
  assert.deepEqual(readdirSync(folder).sort(), [...crdDefinitions.keys()].sort());
  for (const [file, definition] of crdDefinitions) {
    assert.equal(readFileSync(join(folder, file), "utf8"), crdText(definition), file);
  }
});

const plurals = {
  ModelAlias: "modelaliases",
  Team: "teams",
  VirtualKey: "virtualkeys",
  AccessGroup: "accessgroups",
  Model: "models",
} as const;
type Kind = keyof typeof plurals;

const hash = `sha256:${"a".repeat(64)}`;
const otherHash = `sha256:${"b".repeat(64)}`;
const many = (count: number): string[] => Array.from({ length: count }, (_, at) => `m${at}`);
const aliasMap = (count: number): Record<string, string> =>
  Object.fromEntries(many(count).map((name) => [name, "m"]));
const good = undefined;

/** What makes a name bad, wherever a model name stands. */
const badNames: readonly unknown[] = [
  ...["", " a", "a ", "a  b", "é", "a`b", "a\\b", "a*b"],
  ...[
    "*a",
    "a?b",
    "a%2fb",
    "a&b",
    "a,b",
    'a"b',
    "a'b",
    "a\nb",
    "a\tb",
    "x".repeat(257),
    1,
    true,
    ["a"],
    { a: 1 },
  ],
];
const goodNames: readonly string[] = [
  ...[
    "a",
    "A1",
    "_x",
    "@cf/meta/llama-3",
    "openrouter/qwen/qwen3.5-flash-02-23",
    "ft:gpt-4o:org::id",
    "a b c",
  ],
  ...["llama3:8b", "a..b", "...", "a/...", "x".repeat(256), "a=b+c~d", "__proto__", "constructor"],
  ...["claude-opus-4-8[1m]", "~anthropic/claude-opus-latest", "/mnt/models", "/m/MiniCPM-V-2_6/"],
  ...["accounts/f/models/m#accounts/a/deployments/d", "-a", ".a", "a//b", "..", "a/../b"],
  "!#$()+-./:;<=>@[]^_{|}~",
];

/** Kind, spec, and a part of what the server says; undefined: accepted. */
type Row = readonly [kind: Kind, spec: unknown, refusal: string | undefined];

const rows: readonly Row[] = [
  ...goodNames.map((target): Row => ["ModelAlias", { target }, good]),
  ...badNames.map((target): Row => ["ModelAlias", { target }, "spec.target"]),
  ...badNames.map(
    (model): Row => ["ModelAlias", { targets: [{ model }] }, "spec.targets[0].model"],
  ),
  ...badNames.map((alias): Row => ["ModelAlias", { target: "m", alias }, "spec.alias"]),
  ...["a*", "*", "claude haiku *"].flatMap((pattern): Row[] => [
    ["ModelAlias", { target: "m", alias: pattern }, good],
    [
      "ModelAlias",
      { target: pattern },
      "must be a model name: 1 to 256 printable ASCII characters",
    ],
    ["Team", { aliases: { [pattern]: "m" } }, good],
    ["VirtualKey", { keyHash: hash, grants: { aliases: [pattern] } }, good],
    ["Model", { name: pattern }, "spec.name"],
    ["Model", { fallbacks: [pattern] }, "spec.fallbacks[0]"],
  ]),
  ["Model", { fallbacks: ["a", "b/c"] }, good],
  ["Model", { fallbacks: many(16) }, good],
  ["Model", { fallbacks: many(17) }, "spec.fallbacks"],
  ["ModelAlias", {}, "either target or targets"],
  ["ModelAlias", { target: "a", targets: [{ model: "b" }] }, "either target or targets"],
  ["ModelAlias", { targets: [] }, "spec.targets"],
  ["ModelAlias", { targets: many(16).map((model) => ({ model })) }, good],
  ["ModelAlias", { targets: many(17).map((model) => ({ model })) }, "spec.targets"],
  [
    "ModelAlias",
    {
      targets: [
        { model: "a", weight: 0 },
        { model: "b", weight: 1 },
      ],
    },
    good,
  ],
  ["ModelAlias", { targets: [{ model: "a", weight: 0 }] }, "a weight above 0"],
  ["ModelAlias", { targets: [{ model: "a", weight: -1 }] }, "spec.targets[0].weight"],
  ["ModelAlias", { targets: [{ model: "a", weight: 1_000_001 }] }, "spec.targets[0].weight"],
  ["ModelAlias", { targets: [{ model: "a", weight: 1.5 }] }, "spec.targets[0].weight"],
  ["ModelAlias", { targets: [{ model: "a", weight: "1" }] }, "spec.targets[0].weight"],
  ["ModelAlias", { targets: [{ weight: 1 }] }, "spec.targets[0].model"],
  ["ModelAlias", { targets: [{ model: "a", wieght: 1 }] }, "wieght"],
  ["ModelAlias", { target: "m", teams: ["research"] }, good],
  ["ModelAlias", { target: "m", teams: [] }, "spec.teams"],
  ["ModelAlias", { target: "m", teams: ["Research"] }, "spec.teams[0]"],
  ["ModelAlias", { target: "m", teams: many(64) }, good],
  ["ModelAlias", { target: "m", teams: many(65) }, "spec.teams"],
  ["ModelAlias", { target: "m", hidden: true, description: "why\nso" }, good],
  ["ModelAlias", { target: "m", hidden: "true" }, "spec.hidden"],
  ["ModelAlias", { target: "m", description: "x".repeat(1025) }, "spec.description"],
  ["ModelAlias", { target: "m", tragets: [] }, "tragets"],
  ["ModelAlias", { target: "m", stickyBy: "request" }, good],
  ["ModelAlias", { target: "m", stickyBy: "key" }, good],
  ["ModelAlias", { target: "m", stickyBy: { header: "x-session" } }, good],
  ["ModelAlias", { target: "m", stickyBy: "session" }, "spec.stickyBy"],
  ["ModelAlias", { target: "m", stickyBy: {} }, "spec.stickyBy"],
  ["ModelAlias", { target: "m", stickyBy: { header: "" } }, "spec.stickyBy"],
  ["ModelAlias", { target: "m", stickyBy: { header: "a b" } }, "spec.stickyBy"],
  ["ModelAlias", { target: "m", stickyBy: { header: "a", more: 1 } }, "stickyBy"],
  ["ModelAlias", { target: "m", stickyBy: 1 }, "spec.stickyBy"],
  ["ModelAlias", { target: "m", stickyBy: true }, "spec.stickyBy"],
  ["ModelAlias", { target: "m", stickyBy: ["key"] }, "spec.stickyBy"],
  ["Team", {}, good],
  ["Team", { grants: {} }, good],
  [
    "Team",
    {
      grants: {
        models: ["*", "openai/*", "*-mini", "a*b c*"],
        deny: ["*"],
        groups: ["g"],
        aliases: ["A b"],
      },
    },
    good,
  ],
  ...["", " *", "* ", "*  *", "é*", "a?*", "*%", "*,"].map(
    (pattern): Row => ["Team", { grants: { models: [pattern] } }, "spec.grants.models[0]"],
  ),
  ...["*a", "a*b", "**"].map(
    (alias): Row => ["Team", { grants: { aliases: [alias] } }, "spec.grants.aliases[0]"],
  ),
  ["Team", { grants: { groups: ["A"] } }, "spec.grants.groups[0]"],
  ["Team", { grants: { models: many(1024) } }, good],
  ["Team", { grants: { models: many(1025) } }, "spec.grants.models"],
  ["Team", { grants: { modles: [] } }, "modles"],
  ["Team", { grants: [] }, "spec.grants"],
  ["Team", { aliases: { fast: "m", "a b/c": "m", __proto__x: "m" } }, good],
  ["Team", { aliases: aliasMap(256) }, good],
  ["Team", { aliases: aliasMap(257) }, "spec.aliases"],
  ["Team", { aliases: { "": "m" } }, "spec.aliases"],
  ["Team", { aliases: { "a?b": "m" } }, "spec.aliases"],
  ["Team", { aliases: { "a*b": "m" } }, "spec.aliases"],
  ["Team", { aliases: { ["x".repeat(257)]: "m" } }, "spec.aliases"],
  ["Team", { aliases: { a: "b,c" } }, "spec.aliases"],
  ["VirtualKey", { keyHash: hash }, good],
  ["VirtualKey", { secretRef: { name: "s", key: "k.1_-" }, team: "t", disabled: true }, good],
  ["VirtualKey", {}, "either keyHash or secretRef"],
  [
    "VirtualKey",
    { keyHash: hash, secretRef: { name: "s", key: "k" } },
    "either keyHash or secretRef",
  ],
  ["VirtualKey", { keyHash: "a".repeat(64) }, "spec.keyHash"],
  ["VirtualKey", { keyHash: hash.toUpperCase() }, "spec.keyHash"],
  ["VirtualKey", { keyHash: `${hash}a` }, "spec.keyHash"],
  ["VirtualKey", { keyHash: `${hash}\n` }, "spec.keyHash"],
  ["VirtualKey", { secretRef: { name: "s" } }, "spec.secretRef.key"],
  ["VirtualKey", { secretRef: { name: "S", key: "k" } }, "spec.secretRef.name"],
  ["VirtualKey", { secretRef: { name: "s", key: "a/b" } }, "spec.secretRef.key"],
  ["VirtualKey", { keyHash: hash, team: "T" }, "spec.team"],
  [
    "VirtualKey",
    { keyHash: hash, previous: { keyHash: otherHash, until: "2026-12-01T00:00:00Z" } },
    good,
  ],
  [
    "VirtualKey",
    { keyHash: hash, previous: { keyHash: hash, until: "2026-12-01T00:00:00Z" } },
    "must differ",
  ],
  ["VirtualKey", { keyHash: hash, previous: { keyHash: otherHash } }, "spec.previous.until"],
  [
    "VirtualKey",
    { keyHash: hash, previous: { until: "2026-12-01T00:00:00Z" } },
    "either keyHash or secretRef",
  ],
  [
    "VirtualKey",
    { keyHash: hash, notBefore: "2026-01-01T00:00:00Z", expiresAt: "2026-01-01T00:00:00.5+00:00" },
    good,
  ],
  [
    "VirtualKey",
    { keyHash: hash, notBefore: "2026-01-01T00:00:00Z", expiresAt: "2026-01-01T00:00:00Z" },
    "after notBefore",
  ],
  [
    "VirtualKey",
    { keyHash: hash, notBefore: "2026-01-01T00:00:00Z", expiresAt: "2026-01-01T01:00:00+02:00" },
    "after notBefore",
  ],
  ...[
    "2026-01-01",
    "2026-01-01T00:00:00",
    "2026-02-30T00:00:00Z",
    "tomorrow",
    "",
    1_767_225_600,
    "2026-01-01T25:00:00Z",
  ].map((expiresAt): Row => ["VirtualKey", { keyHash: hash, expiresAt }, "spec.expiresAt"]),
  ["AccessGroup", { models: ["a", "b/*"] }, good],
  ["AccessGroup", { models: [] }, good],
  ["AccessGroup", {}, "spec.models"],
  ["AccessGroup", { models: ["a,b"] }, "spec.models[0]"],
  ["AccessGroup", { models: "a" }, "spec.models"],
  ["Model", {}, good],
  [
    "Model",
    {
      name: "gold-1",
      upstreamName: "llama3:8b",
      backend: "leaf",
      bodyFields: [
        "x_new",
        "metadata.tags",
        "metadata.x",
        "langfuse_*",
        "metadata.dd_*",
        "$top",
        "a.b-c",
        "Models",
      ],
      refusedFields: ["container", "tools[].type=mcp", "tools[].type=openrouter:advisor"],
      ownedBy: "ops team",
      upstreamCredential: { name: "openrouter-key", header: "x-api-key" },
    },
    good,
  ],
  ["Model", { bodyFields: [], refusedFields: [] }, good],
  ...["model", "MODEL", "mo_del", "_Model-", "", "a b", "*", "tools[].type=x", "x".repeat(81)].map(
    (name): Row => ["Model", { bodyFields: ["x", name] }, "spec.bodyFields[1]"],
  ),
  ...["model", "m-odel", "tools[].type=", "tools[].model", "x*", "metadata[x]", "x".repeat(81)].map(
    (name): Row => ["Model", { refusedFields: [name] }, "spec.refusedFields[0]"],
  ),
  ["Model", { bodyFields: "x" }, "spec.bodyFields"],
  ["Model", { bodyFields: Array(65).fill("x") }, "spec.bodyFields"],
  ["Model", { upstreamCredential: { name: "LITELLM_KEY.txt" } }, good],
  ["Model", { upstreamCredential: {} }, "spec.upstreamCredential.name"],
  ...["", ".hidden", "..", "a/b", "a b", "x".repeat(254)].map(
    (name): Row => ["Model", { upstreamCredential: { name } }, "spec.upstreamCredential.name"],
  ),
  [
    "Model",
    { upstreamCredential: { name: "a", header: "cookie" } },
    "spec.upstreamCredential.header",
  ],
  ["Model", { upstreamCredential: "a" }, "spec.upstreamCredential"],
  ["Model", { upstreamCredential: { name: "a", value: "sk-1" } }, "spec.upstreamCredential.value"],
  ["Model", { backend: "node" }, "spec.backend"],
  ["Model", { ownedBy: "a\nb" }, "spec.ownedBy"],
  ["Model", { ownedBy: "x".repeat(257) }, "spec.ownedBy"],
  ...badNames.map((name): Row => ["Model", { name }, "spec.name"]),
  ...badNames.map((upstreamName): Row => ["Model", { upstreamName }, "spec.upstreamName"]),
  ...[null, [], "x", 1].map((spec): Row => ["Team", spec, "spec"]),
];

type Fields = Readonly<Record<string, unknown>>;

/** Every field below a schema, with its own schema. */
function fieldsOf(schema: Fields, path = ""): readonly (readonly [string, Fields])[] {
  const properties = (schema["properties"] ?? {}) as Readonly<Record<string, Fields>>;
  const own = Object.entries(properties).flatMap(([name, field]) => [
    [`${path}.${name}`, field] as const,
    ...fieldsOf(field, `${path}.${name}`),
  ]);
  const items = schema["items"] as Fields | undefined;
  return items === undefined ? own : [...own, ...fieldsOf(items, `${path}[]`)];
}

test("every field of the definitions has a sentence for kubectl explain, and every rule words of its own", () => {
  let count = 0;
  for (const [file, definition] of crdDefinitions) {
    const [version] = (definition["spec"] as { versions: { schema: Fields }[] }).versions;
    const root = version?.schema["openAPIV3Schema"] as Fields;
    for (const [path, field] of fieldsOf(root)) {
      count += 1;
      if (path !== ".metadata") {
        assert.match(String(field["description"]), /^.{5,}\.$/, `${file} ${path}`);
      }
      const rules = (field["x-kubernetes-validations"] ?? []) as readonly { message?: string }[];
      for (const { message } of rules) assert.match(String(message), /must/, `${file} ${path}`);
      // A regular expression that is broken is shown instead of the rule; the word or object of stickyBy has no type.
      const mayHavePattern = path.startsWith(".status") || path.includes(".stickyBy");
      if (!mayHavePattern) assert.equal(field["pattern"], undefined, `${file} ${path}`);
    }
    const atomic = fieldsOf(root).filter(([path]) => path.includes("[]"));
    for (const [path, field] of atomic) {
      assert.equal(
        field["default"],
        undefined,
        `${file} ${path}: kubectl apply would never say unchanged`,
      );
    }
  }
  assert.ok(count > 80, `${count} fields`);
});

const binaries = await requirement(() => getKubeBinaries());

describe("the custom resource definitions", { skip: binaries.skip }, () => {
  let api: KubeApi;
  before(async () => {
    api = await startKubeApi(binaries.value ?? "");
    const args = ["--kubeconfig", api.kubeconfig, "apply", "--server-side", "-f", folder];
    const applied = await run({ name: "kubectl", command: api.kubectl, args }, 60_000);
    assert.equal(applied.code, 0, applied.stderr);
    assert.doesNotMatch(applied.stderr, /Warning/);
    const wait = [
      "--kubeconfig",
      api.kubeconfig,
      "wait",
      "--for=condition=Established",
      "crd",
      "--all",
    ];
    const established = await run({ name: "kubectl", command: api.kubectl, args: wait }, 60_000);
    assert.equal(established.code, 0, established.stderr);
  });
  after(() => api?.stop());

  it("give lint and the API server one opinion of every object", async () => {
    const disagreements: string[] = [];
    for (const [kind, spec, refusal] of rows) {
      const metadata = { name: "case", namespace: "default" };
      const object = { apiVersion: "aliasguard.dev/v1alpha1", kind, metadata, spec };
      const path = `/apis/aliasguard.dev/v1alpha1/namespaces/default/${plurals[kind]}`;
      const said = await api.send("POST", `${path}?dryRun=All&fieldValidation=Strict`, object);
      const message = said.status === 201 ? undefined : String(said.body["message"]);
      const { problems } = decodeResource(object);
      const invalid = problems.filter(({ severity }) => severity === "invalid");
      const isServerRight =
        refusal === undefined ? message === undefined : message?.includes(refusal) === true;
      const isLintRight = (refusal === undefined) === (invalid.length === 0);
      if (isServerRight && isLintRight) continue;
      const shown = JSON.stringify(spec)?.slice(0, 120);
      disagreements.push(
        `${kind} ${shown} wanted ${refusal ?? "accepted"}; server: ${message ?? "accepted"}; ` +
          `lint: ${invalid.map((problem) => problem.message).join("; ") || "accepted"}`,
      );
    }
    assert.deepEqual(disagreements, []);
  });

  it("show what an object is in kubectl get, and find it by short name, category and field", async () => {
    const path = "/apis/aliasguard.dev/v1alpha1/namespaces/default/modelaliases";
    const object = {
      apiVersion: "aliasguard.dev/v1alpha1",
      kind: "ModelAlias",
      metadata: { name: "agentx" },
      spec: { alias: "AgentX-LLM", target: "vendor/model" },
    };
    assert.equal((await api.send("POST", path, object)).status, 201);
    const get = async (...args: string[]): Promise<string> => {
      const all = ["--kubeconfig", api.kubeconfig, "get", ...args];
      const ran = await run({ name: "kubectl", command: api.kubectl, args: all }, 60_000);
      assert.equal(ran.code, 0, ran.stderr);
      return ran.stdout;
    };
    assert.match(
      await get("malias"),
      /NAME\s+ALIAS\s+TARGET\s+READY\s+REASON\s+MESSAGE\s+AGE\nagentx/,
    );
    assert.match(await get("aliasguard"), /agentx/);
    assert.match(await get("malias", "--field-selector", "spec.target=vendor/model"), /agentx/);
    assert.equal(await get("malias", "--field-selector", "spec.target=other", "-o", "name"), "");
  });
});
