// What the cluster test runs beside the chart: Envoy as deploy/envoy has it, with addresses of the cluster, and a
// backend. All of it passes restricted Pod Security.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { envoyFolder } from "../support/envoy-config.ts";

export const release = "aliasguard";
export const namespace = "aliasguard";
export const gatewayNamespace = "gateway";
export const envoyHost = `envoy.${gatewayNamespace}.svc.cluster.local`;
export const envoyPort = 10_000;
export const authorizerSelector = "app.kubernetes.io/component=authorizer";
export const controllerSelector = "app.kubernetes.io/component=controller";

export const images = {
  aliasguard: "localhost/aliasguard",
  envoy: "localhost/envoy:test",
  echo: "localhost/echo:test",
} as const;

export function namespaceObject(name: string): object {
  const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
}

/**
 * STRICT_DNS, asked seldom: so old are the addresses that Envoy gets where a cluster's DNS keeps them for 30 seconds. The
 * kit's does not keep them, and nobody would see that a rollout outruns DNS.
 */
const slowDns = `cluster_type:
      name: envoy.clusters.dns
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster
        dns_refresh_rate: 35s`;

/** The shipped bootstrap with other addresses; a text to be replaced that is not there once is an error. */
function envoyBootstrap(): string {
  const addresses: readonly (readonly [from: string, to: string])[] = [
    ["- name: authorizer\n    type: STATIC", `- name: authorizer\n    ${slowDns}`],
    ["- name: backend\n    type: STATIC", "- name: backend\n    type: STRICT_DNS"],
    [
      "address: 127.0.0.1, port_value: 9191",
      `address: ${release}.${namespace}.svc.cluster.local, port_value: 9191`,
    ],
    [
      "address: 127.0.0.1, port_value: 4000",
      `address: echo.${gatewayNamespace}.svc.cluster.local, port_value: 80`,
    ],
  ];
  return addresses.reduce(
    (text, [from, to]) => {
      if (text.split(from).length !== 2) throw new Error(`envoy.yaml has not one ${from}`);
      return text.replace(from, to);
    },
    readFileSync(join(envoyFolder, "envoy.yaml"), "utf8"),
  );
}

/** ConfigMap, Deployments and Services of Envoy and the backend. */
export function gatewayObjects(): readonly object[] {
  const splice = readFileSync(join(envoyFolder, "splice.lua"), "utf8");
  const config = { "envoy.yaml": envoyBootstrap(), "splice.lua": splice };
  return [
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "envoy" }, data: config },
    deployment("envoy", {
      image: images.envoy,
      args: ["-c", "envoy.yaml", "-l", "warning", "--disable-hot-restart", "--concurrency", "2"],
      workingDir: "/etc/aliasguard",
      volumeMounts: [{ name: "config", mountPath: "/etc/aliasguard", readOnly: true }],
      readinessProbe: { tcpSocket: { port: envoyPort }, periodSeconds: 1 },
    }),
    service("envoy", envoyPort, envoyPort),
    deployment("echo", {
      image: images.echo,
      readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 },
    }),
    service("echo", 80, 8080),
  ];
}

function deployment(name: string, container: object): object {
  const labels = { app: name };
  const spec = {
    terminationGracePeriodSeconds: 1,
    automountServiceAccountToken: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65_532,
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [{ name, ...container, securityContext: lockedDown }],
    volumes: [{ name: "config", configMap: { name: "envoy" } }],
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  };
}

const lockedDown = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};

function service(name: string, port: number, targetPort: number): object {
  const spec = { selector: { app: name }, ports: [{ port, targetPort }] };
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec };
}

/** A pod that restricted Pod Security must refuse. */
export const rootPod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "root" },
  spec: { containers: [{ name: "root", image: images.echo }] },
} as const;
