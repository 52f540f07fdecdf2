// Puts a new virtual key into a cluster, whole or not at all. A key in a Secret is two objects: the Secret comes first, for
// without the VirtualKey it opens nothing, and it goes again when the VirtualKey cannot be made. Loaded by dynamic import.

import { KubeError, recordOf } from "../../kubernetes/transport.ts";
import { policyApiVersion } from "../../policy/resources.ts";
import { plurals } from "../controller/watches.ts";
import type { KubeFlags } from "../kube-flags.ts";
import { type KubeConnection, KubeFailure, toKubeFailure, withKube } from "../kube-objects.ts";

export type SecretRef = { readonly name: string; readonly key: string };

export type NewKey = {
  readonly name: string;
  readonly team: string | undefined;
  /** The key itself. */
  readonly secret: string;
  /** The VirtualKey in a namespace. */
  readonly manifest: (namespace: string) => object;
  /** The Secret, and the entry of it, to put the key into; undefined: the VirtualKey holds the digest. */
  readonly secretRef: SecretRef | undefined;
};

export type AppliedKey = {
  readonly namespace: string;
  /** What would keep the key from being used; undefined: nothing that is known. */
  readonly warning: string | undefined;
};

/** Rejects with a KubeFailure, which never holds the key; then nothing is changed, or it says what is. */
export async function applyKey(key: NewKey, flags: KubeFlags): Promise<AppliedKey> {
  try {
    return await withKube(flags, async (connection) => {
      // Nearly everything that can be wrong shows before anything is changed.
      await rehearse(key, connection);
      if (key.secretRef === undefined) await createVirtualKey(key, connection);
      else await createBoth(key, key.secretRef, connection);
      return { namespace: connection.namespace, warning: await missingTeam(key, connection) };
    });
  } catch (error) {
    if (!(error instanceof KubeFailure)) throw error;
    throw new KubeFailure(withoutKey(error.message, key.secret));
  }
}

/** The server judges the object and stores nothing. */
async function rehearse(key: NewKey, { client, namespace }: KubeConnection): Promise<void> {
  try {
    await client.create(`${keysPath(namespace)}?dryRun=All`, key.manifest(namespace));
  } catch (error) {
    const failure = creationFailure(error, { object: `VirtualKey ${key.name}`, namespace });
    throw failure instanceof UnknownOutcome ? new KubeFailure(failure.cause) : failure;
  }
}

/** What a server or a webhook tells may repeat what it was sent. */
function withoutKey(text: string, secret: string): string {
  const base64 = Buffer.from(secret).toString("base64");
  return text.replaceAll(secret, "(the key)").replaceAll(base64, "(the key)");
}

async function createBoth(
  key: NewKey,
  { name: secretName, key: entry }: SecretRef,
  connection: KubeConnection,
): Promise<void> {
  const { client, namespace } = connection;
  const secrets = `/api/v1/namespaces/${namespace}/secrets`;
  try {
    await client.create(secrets, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace, name: secretName },
      type: "Opaque",
      data: { [entry]: Buffer.from(key.secret).toString("base64") },
    });
  } catch (error) {
    throw creationFailure(error, { object: `Secret ${secretName}`, namespace });
  }
  try {
    await createVirtualKey(key, connection);
  } catch (error) {
    if (!(error instanceof KubeFailure)) throw error;
    if (error instanceof UnknownOutcome) {
      throw new KubeFailure(`${error.message}; Secret ${secretName} was made`);
    }
    await client.delete(`${secrets}/${secretName}`).catch((cause: unknown) => {
      const { message } = toKubeFailure(cause, { verb: "delete", resource: "secrets", namespace });
      throw new KubeFailure(
        `VirtualKey ${key.name} could not be made, and Secret ${secretName}, which was, could not be deleted again: ${message}`,
      );
    });
    throw error;
  }
}

const keysPath = (namespace: string): string =>
  `/apis/${policyApiVersion}/namespaces/${namespace}/${plurals.VirtualKey}`;

async function createVirtualKey(key: NewKey, connection: KubeConnection): Promise<void> {
  const { client, namespace } = connection;
  try {
    await client.create(keysPath(namespace), key.manifest(namespace));
  } catch (error) {
    const failure = creationFailure(error, { object: `VirtualKey ${key.name}`, namespace });
    if (!(failure instanceof UnknownOutcome)) throw failure;
    const found = await client.get(`${keysPath(namespace)}/${key.name}`).catch((cause: unknown) => {
      const isAbsent = cause instanceof KubeError && cause.status === 404;
      throw isAbsent ? new KubeFailure(failure.cause) : failure;
    });
    if (!isOurs(found, key.manifest(namespace))) throw failure;
  }
}

/** By what no other key has: its digest, or the Secret that was made for it. */
function isOurs(found: unknown, manifest: object): boolean {
  const credential = (object: unknown): string => {
    const { keyHash, secretRef } = recordOf(recordOf(object)["spec"]);
    const { name, key } = recordOf(secretRef);
    return JSON.stringify([keyHash, name, key]);
  };
  return credential(found) === credential(manifest);
}

/** No answer came, or none that tells: the object may be there or not. */
class UnknownOutcome extends KubeFailure {
  override readonly cause: string;

  constructor(cause: string, object: string) {
    super(
      `${cause}; whether ${object} was made is not known: look, and delete it before the next try`,
    );
    this.cause = cause;
  }
}

type Creation = { readonly object: string; readonly namespace: string };

function creationFailure(error: unknown, { object, namespace }: Creation): Error {
  const isSecret = object.startsWith("Secret ");
  const resource = isSecret ? "secrets" : plurals.VirtualKey;
  const failure = toKubeFailure(error, { verb: "create", resource, namespace });
  if (!(error instanceof KubeError)) return failure;
  if (error.status === 409 && error.reason === "AlreadyExists") {
    return new KubeFailure(
      `${object} already exists in namespace ${namespace}: nothing was changed; choose another name, or delete it first`,
    );
  }
  const isTold = error.status !== undefined && error.status < 500;
  if (isTold || error.message.includes("ECONNREFUSED")) return failure;
  return new UnknownOutcome(failure.message, `${object} in namespace ${namespace}`);
}

/** Asked once the key is made: a team may come later, and reading it may not be allowed. */
async function missingTeam(
  { team }: NewKey,
  { client, namespace }: KubeConnection,
): Promise<string | undefined> {
  if (team === undefined) return undefined;
  try {
    await client.get(`/apis/${policyApiVersion}/namespaces/${namespace}/${plurals.Team}/${team}`);
    return undefined;
  } catch (error) {
    const isMissing = error instanceof KubeError && error.status === 404;
    return isMissing
      ? `there is no Team ${team} yet: until there is, the key is unusable`
      : undefined;
  }
}
