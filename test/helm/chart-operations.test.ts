// What operators set around the pods: scaling, monitoring, egress, extras; and what the chart refuses by name.

import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { getHelm } from "../support/get-helm.ts";
import { requirement } from "../support/requirements.ts";
import { fullValues } from "./full-values.ts";
import { chartFolder, createHelm, podOf, type Rendered } from "./run-helm.ts";

const helmPath = await requirement(() => getHelm());

describe("the chart", { skip: helmPath.skip }, () => {
  const helm = createHelm(helmPath.value ?? "");
  after(() => helm.remove());

  const specOf = (objects: readonly Rendered[], kind: string, ending: string): never => {
    const found = objects.find((each) => each.kind === kind && each.metadata.name.endsWith(ending));
    if (found === undefined) throw new Error(`no ${kind} ${ending}`);
    return found.spec as never;
  };
  const names = (objects: readonly Rendered[], kind: string): readonly string[] =>
    objects.filter((each) => each.kind === kind).map(({ metadata }) => metadata.name);

  /** Values, and what the failure says. */
  const failures: readonly (readonly [values: object, message: RegExp])[] = [
    [{ image: { repository: "" } }, /wanted image\.repository, found none/],
    [{ authorizer: { podSpec: { containers: [] } } }, /podSpec\.containers is set by the chart/],
    [{ controller: { podSpec: { affinity: {} } } }, /podSpec\.affinity is set by the chart/],
    [
      { settings: { inFlightBytesMax: 4_294_967_296 } },
      /limits\.memory is 1024 MiB: wanted at least 4736 MiB/,
    ],
    [
      { authorizer: { resources: { limits: { memory: "600Mi" } } } },
      /limits\.memory is 600 MiB: wanted at least 684 MiB/,
    ],
    [
      { authorizer: { autoscaling: { enabled: true, minReplicas: 5, maxReplicas: 4 } } },
      /maxReplicas is below minReplicas/,
    ],
    [
      { authorizer: { autoscaling: { enabled: true, targetCPUUtilizationPercentage: null } } },
      /autoscaling has no target/,
    ],
    [{ metrics: { serviceMonitor: { enabled: true } } }, /wants metrics\.service\.enabled/],
  ];
  for (const [values, message] of failures) {
    it(`refuses ${JSON.stringify(values)} and says why`, async () => {
      await assert.rejects(helm.template(values), message);
    });
  }

  for (const [value, kind] of [
    ["podMonitor", "PodMonitor"],
    ["serviceMonitor", "ServiceMonitor"],
    ["prometheusRule", "PrometheusRule"],
  ] as const) {
    it(`refuses metrics.${value} where the cluster has no ${kind}`, async () => {
      const metrics = { service: { enabled: true }, [value]: { enabled: true } };
      const { code, stderr } = await helm.run(["template", "agt", chartFolder], { metrics });
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`metrics\\.${value}\\.enabled wants the API .* ${kind}`));
    });
  }

  it("leaves the number of replicas out where it is null", async () => {
    const values = { authorizer: { replicas: null }, controller: { replicas: null } };
    const objects = await helm.template(values);
    for (const name of ["authorizer", "controller"]) {
      assert.equal("replicas" in specOf(objects, "Deployment", name), false);
    }
    const { replicas } = specOf(await helm.template(), "Deployment", "authorizer");
    assert.equal(replicas, 2);
  });

  it("scales by an autoscaler, from its least number on", async () => {
    const autoscaling = { enabled: true, minReplicas: 3, maxReplicas: 7 };
    const objects = await helm.template({ authorizer: { autoscaling } });
    const { replicas } = specOf(objects, "Deployment", "authorizer");
    assert.equal(replicas, 3);
    const hpa: {
      readonly scaleTargetRef: { readonly name: string };
      readonly minReplicas: number;
      readonly maxReplicas: number;
      readonly metrics: readonly unknown[];
    } = specOf(objects, "HorizontalPodAutoscaler", "authorizer");
    assert.deepEqual([hpa.minReplicas, hpa.maxReplicas, hpa.metrics.length], [3, 7, 1]);
    assert.deepEqual(names(objects, "Deployment"), [
      hpa.scaleTargetRef.name,
      "agt-aliasguard-controller",
    ]);
  });

  it("monitors the pods, or the Services, under the labels that were asked for", async () => {
    const labels = { release: "prometheus" };
    const objects = await helm.template({
      metrics: {
        service: { enabled: true },
        podMonitor: { enabled: true, labels },
        serviceMonitor: { enabled: true, labels, interval: "10s", scrapeTimeout: "4s" },
        prometheusRule: { enabled: true, labels, alertLabels: { team: "platform" } },
      },
    });
    for (const kind of ["PodMonitor", "ServiceMonitor", "PrometheusRule"]) {
      const made = objects.filter((each) => each.kind === kind);
      assert.equal(made.length, kind === "PrometheusRule" ? 1 : 2);
      for (const each of made) assert.equal(each.metadata.labels?.["release"], "prometheus");
    }
    for (const component of ["authorizer", "controller"]) {
      type Monitor = {
        readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
        readonly podMetricsEndpoints: readonly [{ readonly port: string }];
        readonly endpoints: readonly [Readonly<Record<string, string>>];
      };
      const pods: Monitor = specOf(objects, "PodMonitor", component);
      const ports = (podOf(objects, component).containers[0] as unknown as PortsOf).ports;
      assert.ok(ports.some(({ name }) => name === pods.podMetricsEndpoints[0].port));
      const services: Monitor = specOf(objects, "ServiceMonitor", component);
      const { port, interval, scrapeTimeout } = services.endpoints[0];
      assert.deepEqual([port, interval, scrapeTimeout], ["admin", "10s", "4s"]);
      const service = objects.find(({ metadata }) =>
        metadata.name.endsWith(`${component}-metrics`),
      );
      for (const [name, value] of Object.entries(services.selector.matchLabels)) {
        assert.equal(service?.metadata.labels?.[name], value);
      }
    }
    const rule: { readonly groups: readonly { readonly rules: readonly Rule[] }[] } = specOf(
      objects,
      "PrometheusRule",
      "aliasguard",
    );
    const rules = rule.groups.flatMap((group) => group.rules);
    assert.ok(rules.length > 4);
    for (const { labels: given, annotations } of rules) {
      assert.equal(given["team"], "platform");
      assert.ok(["warning", "critical"].includes(given["severity"] ?? ""));
      assert.ok((annotations["summary"] ?? "").length > 20);
    }
  });

  it("opens the way out to DNS and the API server, and to what is named", async () => {
    const { egress } = fullValues.networkPolicy;
    const networkPolicy = { enabled: true, from: [{ podSelector: {} }], egress };
    for (const component of ["authorizer", "controller"]) {
      const objects = await helm.template({ networkPolicy });
      const spec: { readonly policyTypes: readonly string[]; readonly egress: unknown } = specOf(
        objects,
        "NetworkPolicy",
        component,
      );
      assert.deepEqual(spec.policyTypes, ["Ingress", "Egress"]);
      assert.deepEqual(spec.egress, [
        {
          ports: [
            { port: 53, protocol: "UDP" },
            { port: 53, protocol: "TCP" },
          ],
        },
        { ports: [{ port: 6443, protocol: "TCP" }], to: egress.apiServer },
        ...egress.extra,
      ]);
    }
  });

  it("gives sidecars a Service with an address, when asked", async () => {
    const headless = names(await helm.template(), "Service");
    assert.deepEqual(headless, ["agt-aliasguard"]);
    const objects = await helm.template({ authorizer: { service: { clusterIP: true } } });
    assert.deepEqual(names(objects, "Service"), [...headless, "agt-aliasguard-clusterip"]);
    const spec: { readonly clusterIP?: string; readonly selector: unknown } = specOf(
      objects,
      "Service",
      "-clusterip",
    );
    assert.equal(spec.clusterIP, undefined);
    const first: { readonly selector: unknown } = specOf(objects, "Service", "agt-aliasguard");
    assert.deepEqual(spec.selector, first.selector);
  });

  it("adds what is extra to both pods and to the release", async () => {
    const objects = await helm.template(fullValues);
    for (const component of ["authorizer", "controller"]) {
      const pod = podOf(objects, component) as unknown as ExtrasOf;
      assert.ok(pod.volumes.some(({ name }) => name === "scratch"));
      assert.ok(pod.containers[0]?.volumeMounts.some(({ mountPath }) => mountPath === "/scratch"));
      assert.deepEqual(
        pod.containers.map(({ name }) => name),
        [component, "beside"],
      );
      assert.equal(pod.dnsPolicy, "None");
      assert.equal(pod.dnsConfig.nameservers[0], "192.0.2.2");
      assert.deepEqual(pod.hostAliases, fullValues.authorizer.podSpec.hostAliases);
      assert.equal(pod.containers[0]?.startupProbe.failureThreshold, 120);
      assert.equal(pod.containers[0]?.livenessProbe.timeoutSeconds, 9);
      assert.equal(pod.containers[0]?.livenessProbe.failureThreshold, 6);
      assert.equal(pod.containers[0]?.readinessProbe.periodSeconds, 7);
      const deployment = objects.find(
        ({ kind, metadata }) => kind === "Deployment" && metadata.name.endsWith(component),
      );
      assert.equal(deployment?.metadata.annotations?.["example.com/reload"], "true");
    }
    const extra = objects.find(({ metadata }) => metadata.name === "extra");
    assert.equal(extra?.metadata.namespace, "apps");
  });

  it("lets definitions go with the release, annotated as asked", async () => {
    const crds = (await helm.template(fullValues)).filter(
      ({ kind }) => kind === "CustomResourceDefinition",
    );
    assert.ok(crds.length >= 5);
    for (const { metadata } of crds) {
      assert.equal(metadata.annotations?.["helm.sh/resource-policy"], undefined);
      assert.equal(metadata.annotations?.["example.com/a"], "b");
    }
  });

  it("tests the authorizers through their Service", async () => {
    const objects = await helm.template();
    const pod: { readonly containers: readonly [{ readonly args: readonly string[] }] } = specOf(
      objects,
      "Pod",
      "-test",
    );
    assert.match(pod.containers[0].args[0] ?? "", /"agt-aliasguard\.apps\.svc:9191"/);
  });
});

type PortsOf = { readonly ports: readonly { readonly name: string }[] };
type Rule = {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
};
type Probe = {
  readonly failureThreshold: number;
  readonly timeoutSeconds: number;
  readonly periodSeconds: number;
};
type ExtrasOf = {
  readonly volumes: readonly { readonly name: string }[];
  readonly containers: readonly {
    readonly name: string;
    readonly volumeMounts: readonly { readonly mountPath: string }[];
    readonly startupProbe: Probe;
    readonly livenessProbe: Probe;
    readonly readinessProbe: Probe;
  }[];
  readonly dnsPolicy: string;
  readonly dnsConfig: { readonly nameservers: readonly string[] };
  readonly hostAliases: unknown;
};
