// Runs helm on the chart, in folders of its own, and reads what it renders.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments, parseDocument } from "yaml";
import { type RunResult, run } from "../support/child.ts";
import { createTempFolder } from "../support/temp-folder.ts";

export const chartFolder = join(import.meta.dirname, "../../helm/aliasguard");

export type Rendered = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: unknown;
  readonly rules?: unknown;
};

export type PodSpec = {
  readonly serviceAccountName: string;
  readonly terminationGracePeriodSeconds: number;
  readonly enableServiceLinks: boolean;
  readonly containers: readonly [
    {
      readonly image: string;
      readonly args: readonly string[];
      readonly volumeMounts?: readonly {
        readonly name: string;
        readonly mountPath: string;
        readonly readOnly?: boolean;
      }[];
      readonly env?: readonly { readonly name: string; readonly value?: string }[];
      readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
    },
  ];
  readonly volumes?: readonly {
    readonly name: string;
    readonly secret?: { readonly secretName: string };
  }[];
};

/** What every installation must name. */
const repository = "aliasguard";

/** The kinds of the Prometheus operator that the chart can make. */
export const monitoringApis = ["PodMonitor", "ServiceMonitor", "PrometheusRule"].map(
  (kind) => `monitoring.coreos.com/v1/${kind}`,
);

export type Helm = {
  /** `values` become a values file, beside an image; undefined: none, and the image is named too where a chart is. */
  run(args: readonly string[], values?: unknown): Promise<RunResult>;
  /** What `helm template` renders for release `agt` in `apps` unless told. Throws what helm says when it refuses. */
  template(values?: unknown, at?: { release?: string; namespace?: string }): Promise<Rendered[]>;
  remove(): void;
};

/** `kubeconfig` is for what talks to a server. */
export function createHelm(path: string, kubeconfig = "/dev/null"): Helm {
  const folder = createTempFolder("helm");
  const env = {
    HELM_CACHE_HOME: join(folder.path, "cache"),
    HELM_CONFIG_HOME: join(folder.path, "config"),
    HELM_DATA_HOME: join(folder.path, "data"),
    KUBECONFIG: kubeconfig,
  };
  let files = 0;
  const runHelm: Helm["run"] = (args, values) => {
    files++;
    const file = join(folder.path, `values-${files}.yaml`);
    const takesValues = values !== undefined || args.includes(chartFolder);
    if (takesValues) writeFileSync(file, JSON.stringify(withImage(values ?? {})));
    const all = takesValues ? [...args, "--values", file] : args;
    return run({ name: "helm", command: path, args: all, env }, 60_000);
  };
  return {
    run: runHelm,
    async template(values, { release = "agt", namespace = "apps" } = {}) {
      const apis = monitoringApis.flatMap((api) => ["--api-versions", api]);
      const args = ["template", release, chartFolder, "--namespace", namespace, ...apis];
      const { code, stdout, stderr } = await runHelm(args, values);
      if (code !== 0) throw new Error(stderr);
      return readObjects(stdout);
    },
    remove: () => folder.remove(),
  };
}

function withImage(values: unknown): unknown {
  const { image, ...rest } = values as { readonly image?: object };
  return { ...rest, image: { repository, ...image } };
}

export function readObjects(text: string): Rendered[] {
  const documents = parseAllDocuments(text);
  const wrong = documents.flatMap(({ errors }) => errors.map(({ message }) => message));
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
  return documents.map((document) => document.toJS() as Rendered | null).filter((each) => !!each);
}

/** The pod of a Deployment. */
export function podOf(objects: readonly Rendered[], component: string): PodSpec {
  const found = objects.find(
    ({ kind, metadata }) => kind === "Deployment" && metadata.name.endsWith(component),
  );
  if (found === undefined) throw new Error(`no Deployment of the ${component}`);
  const { template } = found.spec as { readonly template: { readonly spec: PodSpec } };
  return template.spec;
}

export function readYaml(text: string): unknown {
  return parseDocument(text).toJS() as unknown;
}
