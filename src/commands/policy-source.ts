// Which source a policy comes from: files, or the ConfigMaps that a controller writes. What talks to Kubernetes is loaded
// only for the latter; it costs more memory than all the rest.

import { setTimeout as wait } from "node:timers/promises";
import { policyLabel } from "../controller/writing/config-maps.ts";
import type { KubeObject } from "../kubernetes/transport.ts";
import type { Settings } from "../settings/settings.ts";
import type { ConfigMapData } from "../sources/configmaps/configmap-set.ts";
import type { CopyOutcome, PolicyCopy } from "../sources/configmaps/configmap-source.ts";
import { createFileSource } from "../sources/files/file-source.ts";
import type { PolicySource, SnapshotHolder, SourceEvents } from "../sources/source.ts";

export type Source = PolicySource & SnapshotHolder;

export type SourceDeps = {
  readonly nowMs: () => number;
  /** The API server failed once more; the source goes on. */
  readonly reportProblem: (message: string) => void;
  /** What became of a mounted copy. */
  readonly reportCopy: (path: string, outcome: CopyOutcome) => void;
};

/** Gives what makes the source, once its modules are loaded. Rejects when there is no cluster to talk to. */
export async function prepareSource(
  { policy, policyConfigMap, catalogue }: Settings,
  { nowMs, reportProblem, reportCopy }: SourceDeps,
): Promise<(events: SourceEvents) => Source> {
  if (policyConfigMap === undefined) {
    return (events) => createFileSource({ path: policy, catalogue, nowMs, events });
  }
  const { createKubeClient } = await import("../kubernetes/client.ts");
  const { createReflector } = await import("../kubernetes/reflector.ts");
  const { createConfigMapSource } = await import("../sources/configmaps/configmap-source.ts");
  const { readPolicyCopy } = await import("../sources/configmaps/policy-copy.ts");
  const copy: PolicyCopy = {
    read: () => readPolicyCopy(policy),
    report: (outcome) => reportCopy(policy, outcome),
  };
  const { namespace, name } = policyConfigMap;
  const client = createKubeClient();
  const transport = client.collection<KubeObject & ConfigMapData>(
    `/api/v1/namespaces/${namespace}/configmaps`,
    {
      labelSelector: `${policyLabel}=${name}`,
    },
  );
  return (events) =>
    createConfigMapSource({
      name,
      nowMs,
      monotonicMs,
      events,
      ...(policy !== "" && { copy }),
      watch: (onChange) =>
        createReflector({
          transport,
          onChange,
          onProblem: reportProblem,
          nowMs: monotonicMs,
          random: Math.random,
          delay: kubeDelay,
        }),
    });
}

const monotonicMs = (): number => performance.now();

/** Does not keep the process alive by itself. */
export async function kubeDelay(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal, ref: false });
}
