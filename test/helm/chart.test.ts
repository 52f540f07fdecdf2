// What the chart renders, without a server: names, settings, what switches switch, and a README that is true.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it, test } from "node:test";
import { crdDefinitions } from "../../helm/crd-schemas.ts";
import { readSettings, settingRows } from "../../src/settings/settings.ts";
import { getHelm } from "../support/get-helm.ts";
import { requirement } from "../support/requirements.ts";
import { fullSettings, fullValues } from "./full-values.ts";
import {
  chartFolder,
  createHelm,
  type PodSpec,
  podOf,
  type Rendered,
  readYaml,
} from "./run-helm.ts";
import { chartSettings, settingName, valueRows, withTables } from "./values-tables.ts";

const read = (file: string): string => readFileSync(join(chartFolder, file), "utf8");

test("the chart's version is the product's", () => {
  const chart = readYaml(read("Chart.yaml")) as Readonly<Record<string, string>>;
  const manifest = JSON.parse(
    readFileSync(join(chartFolder, "../../package.json"), "utf8"),
  ) as Readonly<Record<string, string>>;
  assert.equal(chart["version"], manifest["version"]);
  assert.equal(chart["appVersion"], manifest["version"]);
});

test("the chart names every custom resource definition to Artifact Hub", () => {
  const { annotations } = readYaml(read("Chart.yaml")) as {
    readonly annotations: Readonly<Record<string, string>>;
  };
  const crds = readYaml(annotations["artifacthub.io/crds"] ?? "") as readonly {
    readonly kind: string;
    readonly name: string;
  }[];
  const files = crds.map(({ name }) => `${name.split(".")[0]}.yaml`);
  assert.deepEqual(files.sort(), [...crdDefinitions.keys()].sort());
});

test("values.yaml describes every value", () => {
  const silent = valueRows().filter(({ text }) => text === undefined);
  assert.deepEqual(silent, []);
  assert.ok(valueRows().length > 40);
});

test("the chart's README has the values and settings as they are (npm run chart-docs)", () => {
  assert.equal(read("README.md"), withTables(read("README.md")));
});

test("the settings of the chart are those of the authorizer", () => {
  const schema = JSON.parse(read("values.schema.json")) as {
    readonly properties: { readonly settings: { readonly properties: object } };
  };
  const known = chartSettings().map(({ flag }) => settingName(flag));
  assert.deepEqual(Object.keys(schema.properties.settings.properties).sort(), known.sort());
  assert.deepEqual(Object.keys(fullSettings).sort(), known.sort());
});

test("fullValues gives every value that values.yaml has", () => {
  const missing = valueRows().filter(({ path }) => {
    const names = path.split(".");
    let at: unknown = fullValues;
    for (const name of names) at = (at as Readonly<Record<string, unknown>> | undefined)?.[name];
    return at === undefined;
  });
  assert.deepEqual(missing, []);
});

const helmPath = await requirement(() => getHelm());

describe("the chart", { skip: helmPath.skip }, () => {
  const helm = createHelm(helmPath.value ?? "");
  after(() => helm.remove());

  const kinds = (objects: readonly Rendered[]): readonly string[] =>
    objects.map(({ kind }) => kind).sort();

  for (const [name, values] of [
    ["the defaults", {}],
    ["everything on", fullValues],
  ] as const) {
    it(`passes helm lint --strict with ${name}`, async () => {
      const { code, stdout, stderr } = await helm.run(["lint", "--strict", chartFolder], values);
      assert.equal(code, 0, stdout + stderr);
    });
  }

  it("renders with the defaults what an installation needs", async () => {
    const objects = await helm.template();
    assert.deepEqual(kinds(objects), [
      ...["ClusterRole", "ClusterRole"],
      ...Array.from({ length: crdDefinitions.size }, () => "CustomResourceDefinition"),
      ...["Deployment", "Deployment", "Pod", "PodDisruptionBudget", "PodDisruptionBudget"],
      ...["Role", "Role", "RoleBinding", "RoleBinding", "Service"],
      ...["ServiceAccount", "ServiceAccount"],
    ]);
    const anywhere = objects.filter(
      ({ kind, metadata }) =>
        metadata.namespace !== "apps" && !/^(ClusterRole|CustomResource)/.test(kind),
    );
    assert.deepEqual(anywhere, []);
  });

  it("leaves out what is switched off", async () => {
    const objects = await helm.template({
      crds: { install: false },
      rbac: { create: false, aggregate: false },
      podDisruptionBudget: { enabled: false },
      topologySpread: { enabled: false },
      controller: { serviceAccount: { create: false, name: "mine" } },
      authorizer: { serviceAccount: { create: false, name: "yours" }, preStopSleepSeconds: 0 },
    });
    assert.deepEqual(kinds(objects), ["Deployment", "Deployment", "Pod", "Service"]);
    assert.equal(podOf(objects, "controller").serviceAccountName, "mine");
    const pod = podOf(objects, "authorizer");
    assert.equal(pod.serviceAccountName, "yours");
    assert.equal("topologySpreadConstraints" in pod, false);
    assert.equal(pod.containers[0].lifecycle, undefined);
  });

  it("keeps the custom resource definitions, each as its file has it", async () => {
    const crds = (await helm.template()).filter(({ kind }) => kind === "CustomResourceDefinition");
    const byName = new Map(crds.map((crd) => [`${crd.metadata.name.split(".")[0]}.yaml`, crd]));
    assert.deepEqual([...byName.keys()].sort(), [...crdDefinitions.keys()].sort());
    for (const [file, crd] of byName) {
      assert.deepEqual(crd, readYaml(read(`files/crds/${file}`)));
      assert.equal(crd.metadata.annotations?.["helm.sh/resource-policy"], "keep");
    }
  });

  it("passes every setting to the authorizer, which reads it", async () => {
    const env = podOf(await helm.template(fullValues), "authorizer").containers[0].env ?? [];
    const given = env.filter(({ name }) => name.startsWith("ALIASGUARD_"));
    assert.equal(given.length, chartSettings().length);
    const variables = Object.fromEntries(given.map(({ name, value }) => [name, value]));
    const result = readSettings(["--policy", "p"], variables);
    assert.ok(result.ok, JSON.stringify(result));
    assert.deepEqual(result.unknownVariables, []);
    const { settings } = result;
    assert.equal(settings.logAllowSample, fullSettings.logAllowSample);
    assert.equal(settings.inFlightBytesMax, fullSettings.inFlightBytesMax);
    assert.equal(settings.drainDelayMs, fullSettings.drainDelayMs);
    assert.equal(settings.decision.bodyBytesMax, fullSettings.bodyBytesMax);
    assert.deepEqual(settings.decision.pathPrefixes, fullSettings.pathPrefixes);
    assert.deepEqual(settings.decision.modelHeaders, fullSettings.modelHeaders);
    assert.deepEqual([...settings.decision.bodyFields], fullSettings.bodyFields);
    assert.deepEqual([...settings.decision.refusedFields], fullSettings.refusedFields);
    assert.equal(settings.decision.keepCredentials, true);
    assert.equal(settings.decision.realtime, true);
    assert.deepEqual(settings.decision.uncheckedRoutes, fullSettings.uncheckedRoutes);
  });

  it("mounts the backends' credentials where the authorizer looks for them, and nowhere else", async () => {
    const objects = await helm.template({ upstreamCredentials: { secretName: "backend-keys" } });
    const { volumes = [], containers } = podOf(objects, "authorizer");
    const [volume] = volumes.filter(({ name }) => name === "upstream-credentials");
    assert.equal(volume?.secret?.secretName, "backend-keys");
    const { args, volumeMounts = [] } = containers[0];
    const mount = volumeMounts.find(({ name }) => name === "upstream-credentials");
    assert.equal(args[args.indexOf("--upstream-credentials") + 1], mount?.mountPath);
    assert.equal(mount?.readOnly, true);
    assert.ok(!JSON.stringify(podOf(objects, "controller")).includes("backend-keys"));
    assert.ok(!JSON.stringify(await helm.template()).includes("upstream-credentials"));
  });

  it("gives the commands what they need, and lets a pod finish before it is killed", async () => {
    const objects = await helm.template();
    const authorizer = podOf(objects, "authorizer");
    assert.deepEqual(authorizer.containers[0].args, [
      ...["serve", "--policy-configmap", "apps/agt-aliasguard-policy"],
      ...["--policy", "/etc/aliasguard/policy"],
      ...["--listen", "0.0.0.0:9191", "--admin", "0.0.0.0:9192"],
    ]);
    const controller = podOf(objects, "controller");
    assert.deepEqual(controller.containers[0].args, [
      ...["controller", "--namespace", "apps", "--configmap", "agt-aliasguard-policy"],
      ...["--lease", "agt-aliasguard-controller", "--shards-max", "64"],
      ...["--catalogue", "open"],
      ...["--admin", "0.0.0.0:9192"],
    ]);
    assert.equal(authorizer.enableServiceLinks, false);
    assert.equal(controller.enableServiceLinks, false);
    const drainMs = Number(settingRows.find(({ flag }) => flag === "drain-delay-ms")?.default);
    const serve = readFileSync(join(chartFolder, "../../src/commands/serve/serve.ts"), "utf8");
    const graceMs = Number(/graceMs = ([0-9_]+);/.exec(serve)?.[1]?.replaceAll("_", ""));
    const seconds = (pod: typeof authorizer): number =>
      pod.terminationGracePeriodSeconds -
      (pod.containers[0].lifecycle?.preStop.sleep.seconds ?? 0) -
      graceMs / 1000;
    assert.ok(seconds(authorizer) > drainMs / 1000);
    const slow = await helm.template({ settings: { drainDelayMs: 60_001 } });
    assert.ok(seconds(podOf(slow, "authorizer")) > 61);
  });

  it("mounts a copy of the policy where the authorizer looks for one, under the names that it reads", async () => {
    type Item = { readonly key: string; readonly path: string };
    type Source = { configMap: { name: string; optional: boolean; items: readonly Item[] } };
    for (const [policyShardsMax, wanted] of [
      [1, 1],
      [64, 16],
    ]) {
      const objects = await helm.template({ controller: { policyShardsMax } });
      const { containers, volumes } = podOf(objects, "authorizer") as unknown as {
        containers: [{ args: string[]; volumeMounts: [{ name: string; mountPath: string }] }];
        volumes: [{ name: string; projected: { sources: readonly Source[] } }];
      };
      const [{ args, volumeMounts }] = containers;
      assert.equal(args[args.indexOf("--policy") + 1], volumeMounts[0].mountPath);
      assert.equal(volumeMounts[0].name, volumes[0].name);
      const [main, ...shards] = volumes[0].projected.sources.map(({ configMap }) => configMap);
      assert.ok([main, ...shards].every((each) => each?.optional === true));
      assert.deepEqual(
        [main?.name, main?.items.map(({ key, path }) => `${key} ${path}`)],
        ["agt-aliasguard-policy", ["index.json index.json", "policy.json policy.json"]],
      );
      assert.equal(shards.length, wanted);
      for (const [at, { name, items }] of shards.entries()) {
        assert.equal(name, `agt-aliasguard-policy-${at + 1}`);
        assert.deepEqual(items, [{ key: "policy.json", path: `policy-${at + 1}.json` }]);
      }
    }
  });

  it("locks every container down and asks its admin port how it is", async () => {
    const objects = await helm.template();
    for (const component of ["controller", "authorizer"]) {
      const { containers, ...pod } = podOf(objects, component) as PodSpec & Record<string, unknown>;
      assert.deepEqual(pod["securityContext"], {
        runAsNonRoot: true,
        runAsUser: 65_532,
        runAsGroup: 65_532,
        seccompProfile: { type: "RuntimeDefault" },
      });
      const container = containers[0] as Readonly<Record<string, unknown>>;
      assert.deepEqual(container["securityContext"], {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        capabilities: { drop: ["ALL"] },
      });
      const paths = ["startupProbe", "livenessProbe", "readinessProbe"].map(
        (probe) => (container[probe] as { readonly httpGet: unknown }).httpGet,
      );
      assert.deepEqual(paths, [
        { path: "/healthz", port: "admin" },
        { path: "/healthz", port: "admin" },
        { path: "/readyz", port: "admin" },
      ]);
    }
  });

  const heaps: readonly (readonly [memory: unknown, option: string | undefined])[] = [
    ["1Gi", "--max-old-space-size=512"],
    ["1.5Gi", "--max-old-space-size=768"],
    ["500M", "--max-old-space-size=238"],
    [1_073_741_824, "--max-old-space-size=512"],
    ["1073741824", "--max-old-space-size=512"],
    [null, undefined],
  ];
  for (const [memory, option] of heaps) {
    it(`gives Node ${option ?? "no heap size"} for a memory limit of ${memory}`, async () => {
      const objects = await helm.template({
        settings: { inFlightBytesMax: 1_048_576 },
        authorizer: { resources: { limits: { memory } } },
      });
      const env = podOf(objects, "authorizer").containers[0].env ?? [];
      assert.equal(env.find(({ name }) => name === "NODE_OPTIONS")?.value, option);
    });
  }

  it("lets extraEnv replace what the chart sets, so that no name stands twice", async () => {
    const extraEnv = [
      { name: "NODE_OPTIONS", value: "--max-old-space-size=99" },
      { name: "ALIASGUARD_LOG_LEVEL", value: "error" },
    ];
    const values = { settings: { logLevel: "debug" }, authorizer: { extraEnv } };
    const objects = await helm.template(values);
    assert.deepEqual(podOf(objects, "authorizer").containers[0].env, extraEnv);
    const controller = podOf(objects, "controller").containers[0].env;
    assert.deepEqual(controller?.[0], { name: "ALIASGUARD_LOG_LEVEL", value: "debug" });
  });

  it("names the image by tag, by digest, or as the chart's version", async () => {
    const imageOf = async (image: unknown): Promise<string> =>
      podOf(await helm.template({ image }), "controller").containers[0].image;
    assert.match(await imageOf({}), /^aliasguard:[0-9]+\.[0-9]+\.[0-9]+$/);
    assert.equal(await imageOf({ repository: "localhost/a", tag: "2" }), "localhost/a:2");
    const digest = `sha256:${"0".repeat(64)}`;
    assert.equal(await imageOf({ tag: "2", digest }), `aliasguard@${digest}`);
  });

  it("opens the gRPC port to the chosen peers only, and the admin port to nobody unless told", async () => {
    const networkPolicy = { enabled: true, from: [{ podSelector: {} }] };
    const policies = (await helm.template({ networkPolicy })).filter(
      ({ kind }) => kind === "NetworkPolicy",
    );
    const ingress = policies.map(({ spec }) => (spec as { readonly ingress?: unknown }).ingress);
    const test = {
      podSelector: {
        matchLabels: {
          "app.kubernetes.io/name": "aliasguard",
          "app.kubernetes.io/instance": "agt",
          "app.kubernetes.io/component": "test",
        },
      },
    };
    const asks = [
      { ports: [{ port: "grpc", protocol: "TCP" }], from: [{ podSelector: {} }, test] },
    ];
    assert.deepEqual(ingress, [undefined, asks]);
    const egress = policies.map(({ spec }) => (spec as { readonly egress?: unknown }).egress);
    assert.deepEqual(egress, [undefined, undefined]);
  });
});
