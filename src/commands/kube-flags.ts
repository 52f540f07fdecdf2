// The flags that name a cluster and a namespace of it, as kubectl has them. Imports nothing of Kubernetes: commands load
// that only when one of these flags asks for it.

import { readNamespace } from "../policy/decode/name-reader.ts";

/** Where kubectl would look too, unless told otherwise. */
export type KubeFlags = {
  readonly namespace: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
};

export const kubeFlagOptions = {
  namespace: { type: "string" },
  context: { type: "string" },
  kubeconfig: { type: "string" },
} as const;

export const kubeContextUsage = `  --context NAME     [the kubeconfig's current one]
  --kubeconfig FILE  [KUBECONFIG, ~/.kube/config or the pod's service account]`;
export const kubeFlagsUsage = `  --namespace NAME   [the context's, or the pod's own]
${kubeContextUsage}`;

type Values = { readonly [flag in keyof KubeFlags]?: string | undefined };

export function toKubeFlags({ namespace, context, kubeconfig }: Values): KubeFlags {
  return { namespace, context, kubeconfig };
}

/** What is wrong with the flags; undefined: nothing. `wants` is the flag without which they mean nothing. */
export function kubeFlagsFault(
  values: Values,
  { isAsked, wants }: { readonly isAsked: boolean; readonly wants: string },
): string | undefined {
  if (!isAsked) {
    const stray = Object.entries(toKubeFlags(values)).find(([, value]) => value !== undefined);
    return stray && `--${stray[0]} wants ${wants}`;
  }
  return values.namespace === undefined ? undefined : namespaceFault(values.namespace);
}

/** A namespace becomes part of paths, so only what can be one may pass. */
export function namespaceFault(value: string): string | undefined {
  let fault: string | undefined;
  readNamespace({
    value,
    path: [],
    report: (_path, message) => {
      fault = `--namespace ${message}`;
    },
  });
  return fault;
}
