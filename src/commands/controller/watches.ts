// What the controller watches: the custom resources of one namespace and the policy's own ConfigMaps. Of each object only
// what somebody reads is kept; managedFields and the policy's texts would be most of the memory.

import { keyIdAnnotation, type ObjectStatus, type PolicyObject } from "../../controller/objects.ts";
import { policyLabel } from "../../controller/writing/config-maps.ts";
import type { KubeClient } from "../../kubernetes/client.ts";
import { createReflector, type Reflector } from "../../kubernetes/reflector.ts";
import {
  type CollectionTransport,
  type Delay,
  KubeError,
  type KubeObject,
  recordOf,
} from "../../kubernetes/transport.ts";
import { policyApiVersion, policyGroup, type ResourceKind } from "../../policy/resources.ts";

/** Plurals of the kinds, as they stand in paths. */
export const plurals: Readonly<Record<ResourceKind, string>> = {
  ModelAlias: "modelaliases",
  Team: "teams",
  VirtualKey: "virtualkeys",
  AccessGroup: "accessgroups",
  Model: "models",
};

/**
 * So long, in ms, a kind has to be unknown to the API server before its objects count as gone. Deleting a definition
 * deletes them one by one, which the watch brings; so this is for who comes later, and a server that is only starting
 * must not end every key.
 */
export const missingMsMin = 5000;

/** Without a word of the API server for so long, in ms, while calls fail, a kind is told of. */
const silentMsMax = 30_000;

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
  /** Whether every kind has been listed, or has no definition. */
  areSynced(): boolean;
  /** Names of definitions that are not installed. */
  missing(): readonly string[];
  /** A kind that has not been heard of for long, and why; undefined: there is none. */
  silent(): string | undefined;
  /** Objects that are not ready, by kind and reason. */
  notReady(): readonly (readonly [kind: ResourceKind, reason: string, count: number])[];
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
    const definition = createDefinition(kind, time.nowMs, onObject);
    const collection = definition.watching(client.collection<KubeObject>(path));
    const reflector = createReflector<PolicyObject>({
      ...time,
      transport: reduced(collection, (object) => policyObjectOf(kind, object)),
      onChange: onObject,
      onProblem: (problem) => onProblem(kind, problem),
    });
    return { kind, reflector, definition };
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
  const areSynced = (): boolean =>
    kinds.every(({ reflector, definition }) => reflector.synced() || definition.isGone());
  const itemsOf = ({ reflector, definition }: (typeof kinds)[number]): readonly PolicyObject[] =>
    definition.isGone() ? [] : [...reflector.items().values()];
  return {
    start() {
      for (const each of all) each.start();
    },
    async stop() {
      await Promise.all(all.map((each) => each.stop()));
    },
    areSynced,
    missing: () =>
      kinds.filter(({ definition }) => definition.isMissing()).map(({ kind }) => nameOf(kind)),
    silent: () => kinds.map((each) => silenceOf(each, time.nowMs())).find(Boolean),
    notReady: () => kinds.flatMap((each) => notReadyOf(each.kind, itemsOf(each))),
    objects: () => (areSynced() ? kinds.flatMap(itemsOf) : undefined),
    counts: () =>
      Object.fromEntries(kinds.map(({ kind, reflector }) => [kind, reflector.items().size])),
    configMapVersions() {
      if (!configMaps.synced()) return undefined;
      const items = [...configMaps.items()];
      return new Map(items.map(([name, { metadata }]) => [name, metadata.resourceVersion ?? ""]));
    },
  };
}

function nameOf(kind: ResourceKind): string {
  return `${plurals[kind]}.${policyGroup}`;
}

type Definition = {
  /** Whether the API server did not know the kind when it was asked last. */
  isMissing(): boolean;
  /** For so long that there can be no objects of it. */
  isGone(): boolean;
  watching<T extends KubeObject>(transport: CollectionTransport<T>): CollectionTransport<T>;
};

/** What is known of the definition of a kind. `onGone`: once it counts as gone, and while lists go on to fail. */
function createDefinition(kind: ResourceKind, nowMs: () => number, onGone: () => void): Definition {
  let missingSinceMs: number | undefined;
  let isGone = false;
  return {
    isMissing: () => missingSinceMs !== undefined,
    isGone: () => isGone,
    watching: (transport) => ({
      async list(request, signal) {
        try {
          const page = await transport.list(request, signal);
          missingSinceMs = undefined;
          isGone = false;
          return page;
        } catch (error) {
          if (!(error instanceof KubeError && error.status === 404)) {
            // A server that is starting may say both: only one that says nothing else is believed.
            if (!isGone) missingSinceMs = undefined;
            throw error;
          }
          missingSinceMs ??= nowMs();
          isGone ||= nowMs() - missingSinceMs >= missingMsMin;
          if (isGone) onGone();
          throw new KubeError(`the definition ${nameOf(kind)} is not installed`, { status: 404 });
        }
      },
      watch: (request, onEvent, signal) => transport.watch(request, onEvent, signal),
    }),
  };
}

type Watched = { readonly kind: ResourceKind; readonly reflector: Reflector<PolicyObject> };

function silenceOf({ kind, reflector }: Watched, nowMs: number): string | undefined {
  const { confirmedAtMs, lastError } = reflector.health();
  if (lastError === undefined || nowMs - (confirmedAtMs ?? -Infinity) < silentMsMax) {
    return undefined;
  }
  return `${plurals[kind]}: ${lastError}`;
}

function notReadyOf(
  kind: ResourceKind,
  objects: readonly PolicyObject[],
): readonly (readonly [ResourceKind, string, number])[] {
  const counts = new Map<string, number>();
  for (const { status } of objects) {
    const ready = status?.conditions?.find(({ type }) => type === "Ready");
    if (ready === undefined || ready.status === "True") continue;
    counts.set(ready.reason, (counts.get(ready.reason) ?? 0) + 1);
  }
  return [...counts].map(([reason, count]) => [kind, reason, count] as const);
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
  const keyId = recordOf(all.annotations)[keyIdAnnotation];
  return {
    apiVersion: policyApiVersion,
    kind,
    metadata: {
      ...{ name, namespace, uid, resourceVersion, generation, creationTimestamp },
      ...(typeof keyId === "string" && { annotations: { [keyIdAnnotation]: keyId } }),
    },
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
