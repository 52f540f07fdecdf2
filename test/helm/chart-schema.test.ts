// values.schema.json: what is misspelt or out of bounds is refused before anything is installed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it, test } from "node:test";
import { documentShardsMax } from "../../src/policy/document/index-record.ts";
import { bodyBytesMaxLimit } from "../../src/settings/settings.ts";
import { getHelm } from "../support/get-helm.ts";
import { requirement } from "../support/requirements.ts";
import { chartFolder, createHelm } from "./run-helm.ts";

type Schema = {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly maximum?: number;
};

const schema = JSON.parse(readFileSync(join(chartFolder, "values.schema.json"), "utf8")) as Schema;

/** Objects whose keys are not ours to know: a parent chart's, and Kubernetes' affinity terms. */
const open: ReadonlySet<string> = new Set([
  ".properties.global",
  ".properties.extraObjects.items",
  ".$defs.foreign",
  ...["nodeAffinity", "podAffinity", "podAntiAffinity"].map(
    (name) => `.$defs.affinity.properties.${name}`,
  ),
]);

test("the schema of the values is closed everywhere", () => {
  const openPaths: string[] = [];
  let closed = 0;
  const walk = (value: unknown, path: string): void => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return;
    const part = value as Schema;
    if (part.type === "object") {
      if (part.additionalProperties === false || typeof part.additionalProperties === "object") {
        closed++;
      } else openPaths.push(path);
    }
    for (const [key, inner] of Object.entries(value)) walk(inner, `${path}.${key}`);
  };
  walk(schema, "");
  assert.deepEqual(new Set(openPaths), open);
  assert.ok(closed > 25, `${closed}`);
});

test("the schema's longest body is the authorizer's, and its most shards are the policy's", () => {
  const { settings, controller } = schema.properties ?? {};
  assert.equal(settings?.properties?.["bodyBytesMax"]?.maximum, bodyBytesMaxLimit);
  assert.equal(controller?.properties?.["policyShardsMax"]?.maximum, documentShardsMax);
});

const helmPath = await requirement(() => getHelm());
const env = (entry: object): object => ({ authorizer: { extraEnv: [entry] } });

/** Values, and what the refusal names: the place, and the misspelt name where it is one. */
const refused: readonly (readonly [values: object, place: string, name?: string])[] = [
  [{ replicaCount: 2 }, "''", "replicaCount"],
  [{ image: { registry: "x" } }, "/image", "registry"],
  [{ image: { repository: "Upper" } }, "/image/repository"],
  [{ image: { tag: "a b" } }, "/image/tag"],
  [{ image: { digest: "sha256:abc" } }, "/image/digest"],
  [{ image: { pullPolicy: "Allways" } }, "/image/pullPolicy"],
  [{ crds: { instal: true } }, "/crds", "instal"],
  [{ crds: { install: "true" } }, "/crds/install"],
  [{ rbac: { agregate: true } }, "/rbac", "agregate"],
  [{ secrets: { write: true } }, "/secrets", "write"],
  [{ settings: { logLevl: "info" } }, "/settings", "logLevl"],
  [{ settings: { "log-level": "info" } }, "/settings", "log-level"],
  [{ settings: { policy: "/p" } }, "/settings", "policy"],
  [{ settings: { logLevel: "trace" } }, "/settings/logLevel"],
  [{ settings: { logAllowSample: 1.1 } }, "/settings/logAllowSample"],
  [{ settings: { bodyBytesMax: "32Mi" } }, "/settings/bodyBytesMax"],
  [{ settings: { bodyBytesMax: 0 } }, "/settings/bodyBytesMax"],
  [{ settings: { modelHeaders: "x-model" } }, "/settings/modelHeaders"],
  [{ settings: { modelHeaders: ["X-Model"] } }, "/settings/modelHeaders/0"],
  [{ settings: { modelHeaders: [] } }, "/settings/modelHeaders"],
  [{ settings: { pathPrefixes: ["v1"] } }, "/settings/pathPrefixes/0"],
  [{ settings: { drainDelayMs: 1.5 } }, "/settings/drainDelayMs"],
  [{ networkPolicy: { enabled: true } }, "/networkPolicy/from"],
  [{ networkPolicy: { from: [{}] } }, "/networkPolicy/from/0"],
  [{ networkPolicy: { from: [{ podSelecter: {} }] } }, "/networkPolicy/from/0", "podSelecter"],
  [
    { networkPolicy: { from: [{ podSelector: { matchLabel: {} } }] } },
    "/networkPolicy/from/0/podSelector",
    "matchLabel",
  ],
  [{ topologySpread: { whenUnsatisfiable: "Never" } }, "/topologySpread/whenUnsatisfiable"],
  [{ authorizer: { replica: 1 } }, "/authorizer", "replica"],
  [{ authorizer: { replicas: -1 } }, "/authorizer/replicas"],
  [{ authorizer: { resources: { limit: {} } } }, "/authorizer/resources", "limit"],
  [{ authorizer: { resources: { limits: { memroy: "1Gi" } } } }, "limits", "memroy"],
  [{ authorizer: { resources: { limits: { memory: "1 GB" } } } }, "limits/memory"],
  [{ authorizer: { podAnnotations: { a: 1 } } }, "/authorizer/podAnnotations/a"],
  [{ authorizer: { podLabels: { a: "b c" } } }, "/authorizer/podLabels/a"],
  [env({ name: "A", vlaue: "b" }), "/authorizer/extraEnv/0", "vlaue"],
  [env({ value: "b" }), "/authorizer/extraEnv/0", "name"],
  [env({ name: "A", value: 1 }), "/authorizer/extraEnv/0/value"],
  [env({ name: "A", valueFrom: { secretRef: {} } }), "extraEnv/0/valueFrom", "secretRef"],
  [{ authorizer: { tolerations: [{ effects: "x" }] } }, "/authorizer/tolerations/0", "effects"],
  [{ authorizer: { affinity: { nodeAfinity: {} } } }, "/authorizer/affinity", "nodeAfinity"],
  [{ crds: { keep: "yes" } }, "/crds/keep"],
  [{ networkPolicy: { egress: { apiServerPorts: [] } } }, "/networkPolicy/egress/apiServerPorts"],
  [{ metrics: { podMonitor: { interval: "often" } } }, "/metrics/podMonitor/interval"],
  [{ metrics: { podMonitor: { enable: true } } }, "/metrics/podMonitor", "enable"],
  [{ extraObjects: {} }, "/extraObjects"],
  [{ authorizer: { autoscaling: { minReplicas: 0 } } }, "/authorizer/autoscaling/minReplicas"],
  [{ controller: { autoscaling: {} } }, "/controller", "autoscaling"],
  [{ authorizer: { probes: { ready: {} } } }, "/authorizer/probes", "ready"],
  [{ authorizer: { probes: { startup: { httpGet: {} } } } }, "/probes/startup", "httpGet"],
  [{ authorizer: { podSpec: [] } }, "/authorizer/podSpec"],
  [{ authorizer: { service: { type: "ClusterIP" } } }, "/authorizer/service", "type"],
  [{ controller: { preStopSleepSeconds: 1 } }, "/controller", "preStopSleepSeconds"],
  [{ controller: { serviceAccount: { nam: "x" } } }, "/controller/serviceAccount", "nam"],
  [{ controller: { policyShardsMax: 1025 } }, "/controller/policyShardsMax"],
  [{ runAsUser: 0 }, "/runAsUser"],
  [{ bindAddress: "127.0.0.1" }, "/bindAddress"],
  [{ nameOverride: "Upper" }, "/nameOverride"],
];

describe("values.schema.json refuses", { skip: helmPath.skip }, () => {
  const helm = createHelm(helmPath.value ?? "");
  after(() => helm.remove());

  for (const [values, place, name = ""] of refused) {
    it(JSON.stringify(values), async () => {
      const { code, stderr } = await helm.run(["template", "agt", chartFolder], values);
      assert.equal(code, 1);
      const line = stderr.split("\n").find((each) => each.startsWith("- at ")) ?? stderr;
      assert.ok(line.includes(place) && line.includes(name), stderr);
    });
  }

  it("nothing that a parent chart or OpenShift needs", async () => {
    const objects = await helm.template({ global: { any: 1 }, runAsUser: null });
    assert.equal(JSON.stringify(objects).includes("runAsUser"), false);
  });
});
