// What the controller writes to the API server and reads of Secrets: paths, field managers, and which failures are none.

import type { Transition } from "../../controller/conditions.ts";
import type { ObjectStatus, PolicyObject } from "../../controller/objects.ts";
import {
  type ConfigMapApi,
  policyLabel,
  type StoredConfigMap,
} from "../../controller/writing/config-maps.ts";
import {
  type Confirmation,
  confirmationEntry,
  confirmationName,
} from "../../controller/writing/confirmation.ts";
import type { KubeClient } from "../../kubernetes/client.ts";
import { KubeError, type KubeObject, recordOf } from "../../kubernetes/transport.ts";
import { policyApiVersion, type ResourceKind } from "../../policy/resources.ts";
import type { Logger } from "../../telemetry/logger.ts";

/** Owner of the fields that are written, in managedFields. */
export const fieldManager = "aliasguard-controller";
/** Owner of the one annotation that says who leads. */
export const leaderFieldManager = "aliasguard-leader";
/** Annotation of the policy's ConfigMaps: the leader that took them over last, as its Lease names it. */
export const leaderAnnotation = "aliasguard.dev/leader";

export type KubeWriters = {
  readonly configMaps: ConfigMapApi;
  readonly readSecret: (name: string) => Promise<Readonly<Record<string, string>> | undefined>;
  /** The new version; undefined where the object is gone or has changed. */
  readonly writeStatus: (
    object: PolicyObject,
    status: ObjectStatus,
    resourceVersion: string,
  ) => Promise<string | undefined>;
  readonly writeConfirmation: (confirmation: Confirmation) => Promise<void>;
  /** An Event on the policy's ConfigMap. Never rejects. */
  readonly announcePolicy: (isConfirmed: boolean, message: string) => Promise<void>;
  /** Never rejects: an event that is lost loses nothing that the status does not say. */
  readonly announce: (object: PolicyObject, transitions: readonly Transition[]) => Promise<void>;
};

export type KubeWritersOptions = {
  readonly namespace: string;
  /** Of the ConfigMap with the policy. */
  readonly configMap: string;
  readonly plurals: Readonly<Record<ResourceKind, string>>;
  /** Of the Lease, and of its holder where that is this process. */
  readonly lease: string;
  readonly identity: string;
  /** Whether this process leads, asked in the moment in which a write goes out. */
  readonly maySend: () => boolean;
  readonly logger: Logger;
};

export function createKubeWriters(client: KubeClient, options: KubeWritersOptions): KubeWriters {
  const { namespace, plurals, maySend, logger } = options;
  const core = `/api/v1/namespaces/${namespace}`;
  const ours = (kind: ResourceKind): string =>
    `/apis/${policyApiVersion}/namespaces/${namespace}/${plurals[kind]}`;
  return {
    configMaps: createConfigMapApi(client, `${core}/configmaps`, options),
    readSecret: async (name) => {
      const secret = await unless([404], client.get(`${core}/secrets/${name}`));
      return secret === undefined ? undefined : textsOf(recordOf(secret)["data"]);
    },
    async writeStatus({ kind, metadata: { name } }, status, resourceVersion) {
      const metadata = { name, namespace, resourceVersion };
      const object = { apiVersion: policyApiVersion, kind, metadata, status };
      const apply = { fieldManager, force: true, maySend, subresource: "status" } as const;
      const written = await unless(
        [404, 409],
        client.apply(`${ours(kind)}/${name}`, object, apply),
      );
      return written?.metadata.resourceVersion;
    },
    async writeConfirmation(confirmation) {
      const name = confirmationName(options.configMap);
      const labels = {
        "app.kubernetes.io/managed-by": "aliasguard",
        [policyLabel]: options.configMap,
      };
      const metadata = { name, namespace, labels };
      const data = { [confirmationEntry]: JSON.stringify(confirmation) };
      const object = { apiVersion: "v1", kind: "ConfigMap", metadata, data };
      const apply = { fieldManager, force: true, maySend } as const;
      await client.apply(`${core}/configmaps/${name}`, object, apply);
    },
    async announcePolicy(isConfirmed, message) {
      const about = { apiVersion: "v1", kind: "ConfigMap", namespace, name: options.configMap };
      const [type, reason] = isConfirmed
        ? (["Normal", "PolicyConfirmed"] as const)
        : (["Warning", "PolicyNotConfirmed"] as const);
      try {
        if (maySend()) {
          await client.create(`${core}/events`, eventOf(about, { type, reason, message }));
        }
      } catch (error) {
        logger.warn({ err: error }, "event lost");
      }
    },
    async announce(object, transitions) {
      for (const { to } of transitions) {
        try {
          if (maySend()) await client.create(`${core}/events`, eventOfTransition(object, to));
        } catch (error) {
          logger.warn({ err: error, object: object.metadata.name }, "event lost");
        }
      }
    },
  };
}

function createConfigMapApi(
  client: KubeClient,
  path: string,
  { namespace, configMap, lease, identity, maySend }: KubeWritersOptions,
): ConfigMapApi {
  return {
    async list() {
      const selector = `${policyLabel}=${configMap}`;
      const collection = client.collection(path, { labelSelector: selector });
      const found: StoredConfigMap[] = [];
      const signal = AbortSignal.timeout(listMsMax);
      // Some 700 KiB each.
      let page = await collection.list({ limit: 20 }, signal);
      for (;;) {
        found.push(...page.items.map(storedOf));
        const { continueToken } = page;
        if (continueToken === undefined) return found;
        page = await collection.list({ limit: 20, continueToken }, signal);
      }
    },
    async read(name) {
      const found = await unless([404], client.get(`${path}/${name}`));
      return found === undefined ? undefined : storedOf(found);
    },
    async apply(object) {
      const apply = { fieldManager, force: true, maySend } as const;
      const written = await client.apply(`${path}/${object.metadata.name}`, object, apply);
      return written.metadata.resourceVersion ?? "";
    },
    async claim(name) {
      const annotations = { [leaderAnnotation]: identity };
      const metadata = { name, namespace, annotations };
      const object = { apiVersion: "v1", kind: "ConfigMap", metadata };
      const apply = { fieldManager: leaderFieldManager, force: true, maySend } as const;
      return storedOf(await client.apply(`${path}/${name}`, object, apply));
    },
    async remove(name, resourceVersion) {
      await unless([404], client.delete(`${path}/${name}`, { resourceVersion, maySend }));
    },
    async confirm() {
      const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
      const found = await unless([404], client.get(`${leases}/${lease}`));
      return recordOf(recordOf(found)["spec"])["holderIdentity"] === identity;
    },
  };
}

/** Pages of a list have to come within, in ms. */
const listMsMax = 60_000;

function storedOf(object: KubeObject): StoredConfigMap {
  const { name, resourceVersion = "", labels } = object.metadata;
  return {
    name,
    resourceVersion,
    labels: textsOf(labels),
    data: textsOf(recordOf(object)["data"]),
  };
}

/** undefined where the answer has one of these statuses. */
async function unless<T>(statuses: readonly number[], call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof KubeError && statuses.includes(error.status ?? 0)) return undefined;
    throw error;
  }
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(recordOf(value));
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

function eventOfTransition({ kind, metadata }: PolicyObject, to: Transition["to"]): unknown {
  const { name, namespace, uid, resourceVersion } = metadata;
  const about = { apiVersion: policyApiVersion, kind, name, namespace, uid, resourceVersion };
  const type = to.status === "True" ? "Normal" : "Warning";
  return eventOf(about, { type, reason: to.reason, message: to.message });
}

type EventTold = {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
};

function eventOf(
  involvedObject: { readonly name: string; readonly namespace: string },
  { type, reason, message }: EventTold,
): unknown {
  const { name, namespace } = involvedObject;
  const now = new Date().toISOString().replace(/\.\d{3}Z$/, "Z");
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { generateName: `${name.slice(0, 200)}.`, namespace },
    involvedObject,
    ...{ type, reason, message: message.slice(0, 1024) },
    source: { component: fieldManager },
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
    reportingComponent: fieldManager,
  };
}
