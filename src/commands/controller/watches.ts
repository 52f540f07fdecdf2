// What the controller watches: the custom resources of one namespace and the policy's own ConfigMaps. Of each object only
// what somebody reads is kept; managedFields and the policy's texts would be most of the memory.

import { policyLabel } from "../../controller/config-maps.ts";
import type { ObjectStatus, PolicyObject } from "../../controller/objects.ts";
import type { KubeClient } from "../../kubernetes/client.ts";
import { createReflector } from "../../kubernetes/reflector.ts";
import {
  type CollectionTransport,
  type Delay,
  type KubeObject,
  recordOf,
} from "../../kubernetes/transport.ts";
import { policyApiVersion, type ResourceKind } from "../../policy/resources.ts";

/** Plurals of the kinds, as they stand in paths. */
export const plurals: Readonly<Record<ResourceKind, string>> = {
  ModelAlias: "modelaliases",
  Team: "teams",
  VirtualKey: "virtualkeys",
  AccessGroup: "accessgroups",
  Model: "models",
};

export type WatchesOptions = {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Of the ConfigMap with the policy. */
  readonly configMap: string;
  readonly time: {
    readonly nowMs: () => number;
    readonly random: () => number;
    readonly delay: Delay;
  };
  /** Something of a policy has changed, or its status. */
  readonly onObject: () => void;
  readonly onConfigMap: () => void;
  readonly onProblem: (kind: ResourceKind | "ConfigMap", problem: string) => void;
};

export type Watches = {
  start(): void;
  stop(): Promise<void>;
  /** Whether every kind has been listed. */
  areSynced(): boolean;
  /** An object that has not changed is the same one as before; undefined until every kind has been listed. */
  objects(): readonly PolicyObject[] | undefined;
  counts(): Readonly<Record<string, number>>;
  /** resourceVersion by name; undefined until they have been listed. */
  configMapVersions(): ReadonlyMap<string, string> | undefined;
};

export function createWatches(options: WatchesOptions): Watches {
  const { client, namespace, configMap, time, onObject, onConfigMap, onProblem } = options;
  const kinds = (Object.keys(plurals) as ResourceKind[]).map((kind) => {
    const path = `/apis/${policyApiVersion}/namespaces/${namespace}/${plurals[kind]}`;
    const reflector = createReflector<PolicyObject>({
      ...time,
      transport: reduced(client.collection(path), (object) => policyObjectOf(kind, object)),
      onChange: onObject,
      onProblem: (problem) => onProblem(kind, problem),
    });
    return { kind, reflector };
  });
  const labelSelector = `${policyLabel}=${configMap}`;
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const configMaps = createReflector<KubeObject>({
    ...time,
    transport: reduced(client.collection(path, { labelSelector }), versionOf),
    onChange: onConfigMap,
    onProblem: (problem) => onProblem("ConfigMap", problem),
    // Some 700 KiB each.
    limits: { pageSize: 20 },
  });
  const all = [...kinds.map(({ reflector }) => reflector), configMaps];
  const areSynced = (): boolean => kinds.every(({ reflector }) => reflector.synced());
  return {
    start() {
      for (const each of all) each.start();
    },
    async stop() {
      await Promise.all(all.map((each) => each.stop()));
    },
    areSynced,
    objects: () =>
      areSynced() ? kinds.flatMap(({ reflector }) => [...reflector.items().values()]) : undefined,
    counts: () =>
      Object.fromEntries(kinds.map(({ kind, reflector }) => [kind, reflector.items().size])),
    configMapVersions() {
      if (!configMaps.synced()) return undefined;
      const items = [...configMaps.items()];
      return new Map(items.map(([name, { metadata }]) => [name, metadata.resourceVersion ?? ""]));
    },
  };
}

/** Reduces each object in the moment in which it comes. */
function reduced<T extends KubeObject>(
  transport: CollectionTransport<KubeObject>,
  reduce: (object: unknown) => T,
): CollectionTransport<T> {
  return {
    async list(request, signal) {
      const page = await transport.list(request, signal);
      return { ...page, items: page.items.map(reduce) };
    },
    watch: (request, onEvent, signal) =>
      transport.watch(
        request,
        ({ type, object }) => {
          const isObject = type !== "ERROR" && type !== "BOOKMARK";
          onEvent({ type, object: isObject ? reduce(object) : object });
        },
        signal,
      ),
  };
}

/** What is missing stays so: the reflector refuses it. Lists leave apiVersion and kind out of their items. */
function policyObjectOf(kind: ResourceKind, object: unknown): PolicyObject {
  const { metadata, spec, status } = recordOf(object);
  const all = recordOf(metadata) as PolicyObject["metadata"];
  const { name, namespace, uid, resourceVersion, generation, creationTimestamp } = all;
  return {
    apiVersion: policyApiVersion,
    kind,
    metadata: { name, namespace, uid, resourceVersion, generation, creationTimestamp },
    ...(spec !== undefined && { spec }),
    ...(status !== undefined && { status: status as ObjectStatus }),
  };
}

function versionOf(object: unknown): KubeObject {
  const { name, resourceVersion, uid } = recordOf(
    recordOf(object)["metadata"],
  ) as KubeObject["metadata"];
  return {
    metadata: {
      name,
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(uid !== undefined && { uid }),
    },
  };
}
