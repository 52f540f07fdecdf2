// What the controller writes to the API server and reads of Secrets: paths, field managers, and which failures are none.

import type { Transition } from "../controller/conditions.ts";
import type { ConfigMapApi } from "../controller/config-maps.ts";
import type { ObjectStatus, PolicyObject } from "../controller/objects.ts";
import type { KubeClient } from "../kubernetes/client.ts";
import { KubeError, recordOf } from "../kubernetes/transport.ts";
import { policyApiVersion, type ResourceKind } from "../policy/resources.ts";
import type { Logger } from "../telemetry/logger.ts";

/** Owner of the fields that are written, in managedFields. */
export const fieldManager = "aliasguard-controller";

export type KubeWriters = {
  readonly configMaps: ConfigMapApi;
  readonly readSecret: (name: string) => Promise<Readonly<Record<string, string>> | undefined>;
  readonly writeStatus: (object: PolicyObject, status: ObjectStatus) => Promise<void>;
  /** Never rejects: an event that is lost loses nothing that the status does not say. */
  readonly announce: (object: PolicyObject, transitions: readonly Transition[]) => Promise<void>;
};

export type KubeWritersOptions = {
  readonly namespace: string;
  readonly plurals: Readonly<Record<ResourceKind, string>>;
  readonly logger: Logger;
};

export function createKubeWriters(
  client: KubeClient,
  { namespace, plurals, logger }: KubeWritersOptions,
): KubeWriters {
  const core = `/api/v1/namespaces/${namespace}`;
  const ours = (kind: ResourceKind): string =>
    `/apis/${policyApiVersion}/namespaces/${namespace}/${plurals[kind]}`;
  const apply = { fieldManager, force: true } as const;
  return {
    configMaps: {
      read: async (name) => dataOf(await orNone(client.get(`${core}/configmaps/${name}`))),
      apply: async (object) => {
        await client.apply(`${core}/configmaps/${object.metadata.name}`, object, apply);
      },
      remove: async (name) => {
        await orNone(client.delete(`${core}/configmaps/${name}`));
      },
    },
    readSecret: async (name) => dataOf(await orNone(client.get(`${core}/secrets/${name}`))),
    async writeStatus({ kind, metadata }, status) {
      const { name } = metadata;
      const object = { apiVersion: policyApiVersion, kind, metadata: { name, namespace }, status };
      // An object that is gone meanwhile needs no status.
      await orNone(
        client.apply(`${ours(kind)}/${name}`, object, { ...apply, subresource: "status" }),
      );
    },
    async announce(object, transitions) {
      for (const { to } of transitions) {
        try {
          await client.create(`${core}/events`, eventOf(object, to));
        } catch (error) {
          logger.warn({ err: error, object: object.metadata.name }, "event lost");
        }
      }
    },
  };
}

/** undefined where the answer is 404. */
async function orNone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return undefined;
    throw error;
  }
}

function dataOf(object: unknown): Readonly<Record<string, string>> | undefined {
  if (object === undefined) return undefined;
  const data = Object.entries(recordOf(recordOf(object)["data"]));
  return Object.fromEntries(
    data.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

function eventOf({ kind, metadata }: PolicyObject, to: Transition["to"]): unknown {
  const { name, namespace, uid, resourceVersion } = metadata;
  const now = new Date().toISOString().replace(/\.\d{3}Z$/, "Z");
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { generateName: `${name.slice(0, 200)}.`, namespace },
    involvedObject: { apiVersion: policyApiVersion, kind, name, namespace, uid, resourceVersion },
    type: to.status === "True" ? "Normal" : "Warning",
    reason: to.reason,
    message: `${to.type} is ${to.status}: ${to.message}`.slice(0, 1024),
    source: { component: fieldManager },
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
    reportingComponent: fieldManager,
  };
}
