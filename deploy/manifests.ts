// Writes what Helm's users get from the chart as plain manifests, with fixed values that each file says at its head: for
// kubectl apply. Run by `npm run manifests` after a change of the chart; a test compares.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { createHelm, type Rendered } from "../test/helm/run-helm.ts";
import { getHelm } from "../test/support/get-helm.ts";

/** The release that all of them are parts of. */
const release = { release: "aliasguard", namespace: "aliasguard" };

type GatewayManifest = {
  readonly file: string;
  readonly about: string;
  readonly gateway: Readonly<Record<string, unknown>>;
};

const ingress = { selector: { istio: "ingressgateway" } };
const gateway = { gatewayName: "llm" };
const classic = { type: "istio", namespace: "istio-system", target: ingress };
const gatewayApi = { type: "istio", namespace: "llm", target: gateway };
const envoyGateway = { type: "envoyGateway", namespace: "llm", target: gateway };

/** Service litellm, port 4000, in the gateway's namespace. */
const routes = [{ model: "*", service: "litellm", port: 4000 }];

/** All but deploy/kubernetes/aliasguard.yaml, each to be applied after it. */
export const gatewayManifests: readonly GatewayManifest[] = [
  {
    file: "kubernetes/envoy.yaml",
    about: "A whole Envoy. Replace the backend, Service litellm with port 4000 in its namespace.",
    gateway: { type: "envoy", routes },
  },
  {
    file: "istio/classic.yaml",
    about: "Istio's classic API, ext_proc.",
    gateway: { ...classic, mode: "extProc", routes },
  },
  {
    file: "istio/gateway-api.yaml",
    about: "Istio with the Gateway API, ext_proc.",
    gateway: { ...gatewayApi, mode: "extProc", routes },
  },
  {
    file: "istio/classic-ext-authz.yaml",
    about: "Istio's classic API, ext_authz and Lua: MeshConfig needs the provider of README.md.",
    gateway: { ...classic, mode: "extAuthz", routes },
  },
  {
    file: "istio/gateway-api-ext-authz.yaml",
    about:
      "Istio with the Gateway API, ext_authz and Lua: MeshConfig needs the provider of README.md.",
    gateway: { ...gatewayApi, mode: "extAuthz", routes },
  },
  {
    file: "envoy-gateway/ext-proc.yaml",
    about: "Envoy Gateway, ext_proc. Wants enableEnvoyPatchPolicy.",
    gateway: { ...envoyGateway, mode: "extProc", routes },
  },
  {
    file: "envoy-gateway/ext-proc-without-patch.yaml",
    about: "Envoy Gateway as it comes, ext_proc: Envoy's own answers have one envelope for all.",
    gateway: {
      ...envoyGateway,
      mode: "extProc",
      localReplies: "override",
      routes,
    },
  },
  {
    file: "envoy-gateway/ext-authz.yaml",
    about: "Envoy Gateway, ext_authz and Lua. Wants enableEnvoyPatchPolicy and enableLua.",
    gateway: { ...envoyGateway, mode: "extAuthz", routes },
  },
];

/** Path below deploy/, and text. Rejects when there is no helm. */
export async function renderManifests(): Promise<ReadonlyMap<string, string>> {
  const helm = createHelm(await getHelm());
  try {
    const plain = await helm.template({}, release);
    const texts = new Map([
      ["kubernetes/aliasguard.yaml", textOf("Definitions, controller and authorizer.", {}, plain)],
    ]);
    const known = new Set(plain.map((each) => JSON.stringify(each)));
    for (const { file, about, gateway } of gatewayManifests) {
      const all = await helm.template({ gateway }, release);
      const own = all.filter((each) => !known.has(JSON.stringify(each)));
      if (own.length !== all.length - plain.length) {
        throw new Error(`${file}: the gateway's values change what stands in aliasguard.yaml`);
      }
      texts.set(file, textOf(about, { gateway }, own));
    }
    return texts;
  } finally {
    helm.remove();
  }
}

function textOf(about: string, values: object, objects: readonly Rendered[]): string {
  const shown = JSON.stringify({ image: { repository: "aliasguard" }, ...values });
  const head = `# ${about}\n# Written by npm run manifests: the chart as release aliasguard in namespace aliasguard, with the values\n# ${shown}\n`;
  const isHook = ({ metadata }: Rendered): boolean =>
    metadata.annotations?.["helm.sh/hook"] !== undefined;
  const documents = objects.filter((each) => !isHook(each)).map(withoutHelm);
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: release.namespace } };
  const isWhole = objects.some(({ kind }) => kind === "CustomResourceDefinition");
  const all = isWhole ? [namespace, ...documents] : documents;
  const options = { lineWidth: 0, aliasDuplicateObjects: false };
  return head + all.map((each) => stringify(each, options)).join("---\n");
}

const helmLabels = new Set(["app.kubernetes.io/managed-by", "helm.sh/chart"]);

/** Helm does not manage these objects: nothing in them says so. */
function withoutHelm(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutHelm);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .filter(([name]) => !helmLabels.has(name) && !name.startsWith("helm.sh/"))
    .map(([name, each]) => [name, withoutHelm(each)] as const)
    .filter(([name, each]) => name !== "annotations" || Object.keys(each as object).length > 0);
  return Object.fromEntries(entries);
}

if (process.argv[1] === import.meta.filename) {
  for (const [file, text] of await renderManifests()) {
    writeFileSync(join(import.meta.dirname, file), text);
  }
}
