// Rotates a VirtualKey in a cluster, whole or not at all: a key in a Secret gets a Secret of its own first, which goes again
// when the VirtualKey cannot be changed. Loaded by dynamic import.

import { KubeError, recordOf } from "../../kubernetes/transport.ts";
import { policyApiVersion } from "../../policy/resources.ts";
import { plurals } from "../controller/watches.ts";
import type { KubeFlags } from "../kube-flags.ts";
import { type KubeConnection, KubeFailure, toKubeFailure, withKube } from "../kube-objects.ts";
import type { SecretRef } from "./key-apply.ts";
import { secretEntryName } from "./key-secret.ts";
import { type Rotation, rotate } from "./rotation.ts";

export type ClusterRotation = Omit<Rotation, "secretRef"> & {
  readonly name: string;
  /** Name of the Secret to make where the key is in one. */
  readonly secretName: string;
};

export type RotatedKey = {
  readonly namespace: string;
  /** The Secret that holds the new key; undefined: nobody has it but who is told. */
  readonly secretRef: SecretRef | undefined;
};

/** Rejects with a KubeFailure, which never holds the key; then nothing is changed, or it says what is. */
export async function rotateInCluster(
  rotation: ClusterRotation,
  flags: KubeFlags,
): Promise<RotatedKey> {
  return await withKube(flags, async (connection) => {
    const { client, namespace } = connection;
    const { name, secret, secretName } = rotation;
    const path = `/apis/${policyApiVersion}/namespaces/${namespace}/${plurals.VirtualKey}/${name}`;
    const found = await client.get(path).catch((error: unknown) => {
      const isAbsent = error instanceof KubeError && error.reason === "NotFound";
      if (isAbsent)
        throw new KubeFailure(`there is no VirtualKey ${name} in namespace ${namespace}`);
      throw toKubeFailure(error, { verb: "get", resource: plurals.VirtualKey, namespace });
    });
    const isInSecret = recordOf(recordOf(found)["spec"])["secretRef"] !== undefined;
    const secretRef = isInSecret ? { name: secretName, key: secretEntryName } : undefined;
    const rotated = rotate(found, { ...rotation, secretRef });
    if (!rotated.ok) throw new KubeFailure(`VirtualKey ${name}: ${rotated.fault}`);
    if (secretRef !== undefined) await makeSecret(secretRef, secret, connection);
    try {
      // With the version that was read: who changed it meanwhile is not overwritten.
      await client.update(path, rotated.object);
    } catch (error) {
      if (secretRef !== undefined) await removeSecret(secretRef, connection);
      if (error instanceof KubeError && error.status === 409) {
        throw new KubeFailure(
          `VirtualKey ${name} was changed meanwhile: nothing is rotated; try again`,
        );
      }
      const failure = toKubeFailure(error, {
        verb: "update",
        resource: plurals.VirtualKey,
        namespace,
      });
      throw new KubeFailure(failure.message.replaceAll(secret, "(the key)"));
    }
    return { namespace, secretRef };
  });
}

async function makeSecret(
  { name, key }: SecretRef,
  secret: string,
  { client, namespace }: KubeConnection,
): Promise<void> {
  try {
    await client.create(`/api/v1/namespaces/${namespace}/secrets`, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace, name },
      type: "Opaque",
      data: { [key]: Buffer.from(secret).toString("base64") },
    });
  } catch (error) {
    if (error instanceof KubeError && error.reason === "AlreadyExists") {
      throw new KubeFailure(`Secret ${name} already exists: choose another with --secret-ref`);
    }
    throw toKubeFailure(error, { verb: "create", resource: "secrets", namespace });
  }
}

/** Nobody refers to it: one that stays opens nothing. */
async function removeSecret(
  { name }: SecretRef,
  { client, namespace }: KubeConnection,
): Promise<void> {
  await client.delete(`/api/v1/namespaces/${namespace}/secrets/${name}`).catch(() => undefined);
}
