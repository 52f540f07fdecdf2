// The policy of one namespace of a live cluster, compiled as the controller compiles it, and calls whose failures are one
// line that says what to do. Loaded by dynamic import only.

import type { PolicyObject } from "../controller/objects.ts";
import { createSecretReader } from "../controller/secrets.ts";
import {
  inClusterWords,
  type SecretDigest,
  secretsNamedBy,
  type TranslateOptions,
  translate,
} from "../controller/translate.ts";
import type { KubeClient } from "../kubernetes/client.ts";
import { KubeError, type KubeObject, messageOf, recordOf } from "../kubernetes/transport.ts";
import type { CompiledPolicy } from "../policy/compile/compile.ts";
import { type CompileProblem, compareText } from "../policy/compile/context.ts";
import { type DecodedResource, decodeResource } from "../policy/decode/decode.ts";
import { formatPath, quoted, toAscii } from "../policy/decode/shown-text.ts";
import type { Problem } from "../policy/problem.ts";
import { policyApiVersion, type ResourceKind } from "../policy/resources.ts";
import { plurals } from "./controller/watches.ts";
import { type KubeFlags, namespaceFault } from "./kube-flags.ts";

/** Objects in one page of a list. */
const pageSize = 500;
/** A server that never ends a list must not fill the memory. */
const pagesMax = 1000;
/** One whole list has to come within, in ms. */
const listMsMax = 120_000;
/** A list whose pages expired on the way is begun anew so many times. */
const listTries = 3;

/** Why a command could not do its work in a cluster: one line of printable ASCII. */
export class KubeFailure extends Error {
  override readonly name = "KubeFailure";
}

export type KubeConnection = {
  readonly client: KubeClient;
  /** A namespace's name, safe in a path. */
  readonly namespace: string;
};

/** Runs `work` with a connection and closes it. Rejects with a KubeFailure when there is no cluster to talk to. */
export async function withKube<T>(
  flags: KubeFlags,
  work: (connection: KubeConnection) => Promise<T>,
): Promise<T> {
  const { createKubeClient } = await import("../kubernetes/client.ts");
  const { kubeconfig, context } = flags;
  let client: KubeClient;
  try {
    client = createKubeClient({
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
    });
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    throw new KubeFailure(toAscii(error.message));
  }
  try {
    const namespace = flags.namespace ?? client.namespace;
    if (namespaceFault(namespace) !== undefined) {
      throw new KubeFailure(`the context names ${quoted(namespace)}, which can be no namespace`);
    }
    return await work({ client, namespace });
  } finally {
    client.close();
  }
}

export type KubeCall = {
  /** As RBAC has it: list, get, create. */
  readonly verb: string;
  /** Plural, as in paths. */
  readonly resource: string;
  readonly namespace: string;
};

/** One line of what to do about a failed call. Bugs are thrown on. */
export function toKubeFailure(error: unknown, { verb, resource, namespace }: KubeCall): Error {
  if (error instanceof KubeFailure) return error;
  if (!(error instanceof KubeError)) return error instanceof Error ? error : new Error("unknown");
  const told = toAscii(messageOf(error)).trim();
  switch (error.status) {
    case undefined: {
      const hint = told.startsWith("no answer")
        ? "; is the cluster up, and is it the right one (--context)?"
        : "";
      return new KubeFailure(`${told}${hint}`);
    }
    case 401:
      return new KubeFailure(
        "the API server does not accept the credentials (401): log in again, or choose others with --context",
      );
    case 403:
      return new KubeFailure(
        `forbidden (403): ${told}; ask for a role that may ${verb} ${resource} in namespace ${namespace}`,
      );
    case 404: {
      if (told.startsWith('namespaces "')) {
        return new KubeFailure(`there is no namespace ${namespace}`);
      }
      if (!Object.values(plurals).includes(resource)) break;
      return new KubeFailure(
        `the cluster does not know ${resource} of ${policyApiVersion} (404): install the custom ` +
          "resource definitions, by the chart or with kubectl apply --server-side",
      );
    }
    default:
  }
  return new KubeFailure(`the API server answered ${error.status}: ${told}`);
}

/** A problem of one object, which `Kind/name` tells. */
export type ObjectProblem = Problem & {
  readonly subject: string;
  /** Not the object's fault: whoever asks may not read the Secret that it names. */
  readonly isForbidden: boolean;
};

export function objectProblemPlace({ subject, path }: ObjectProblem): string {
  return path.length === 0 ? subject : `${subject} ${formatPath(path)}`;
}

export type ClusterPolicy = {
  readonly namespace: string;
  readonly policy: CompiledPolicy;
  /** How many objects there are, and how many of them could be decoded. */
  readonly objects: number;
  readonly found: number;
  /** By object, then as found. */
  readonly problems: readonly ObjectProblem[];
};

/** Reads every object of the five kinds, and the Secrets that keys name. Rejects with a KubeFailure. */
export async function readClusterPolicy(
  { client, namespace }: KubeConnection,
  { nowMs, catalogue }: Required<Pick<TranslateOptions, "nowMs" | "catalogue">>,
): Promise<ClusterPolicy> {
  const objects: PolicyObject[] = [];
  for (const kind of Object.keys(plurals) as ResourceKind[]) {
    const resource = plurals[kind];
    try {
      const path = `/apis/${policyApiVersion}/namespaces/${namespace}/${resource}`;
      for (const object of await listAll(client, path)) {
        // Lists leave apiVersion and kind out of their items.
        objects.push({ ...(object as PolicyObject), apiVersion: policyApiVersion, kind });
      }
    } catch (error) {
      throw toKubeFailure(error, { verb: "list", resource, namespace });
    }
  }
  const decoded = new Map(objects.map((object) => [object, decodeResource(object)]));
  const decode = (object: PolicyObject): DecodedResource =>
    decoded.get(object) ?? decodeResource(object);
  const entries = secretsNamedBy(objects, decode);
  const secrets = await readSecrets({ client, namespace }, entries);
  const { policy } = translate(objects, { nowMs, catalogue, secrets, decode });
  let found = 0;
  const problems: ObjectProblem[] = [];
  for (const object of objects) {
    const { resource, problems: mistakes } = decode(object);
    if (resource !== undefined) found += 1;
    const subject = `${object.kind}/${toAscii(object.metadata.name)}`;
    for (const problem of mistakes) problems.push({ ...problem, subject, isForbidden: false });
  }
  for (const problem of policy.problems) problems.push(inWordsOf(problem, secrets));
  return {
    ...{ namespace, policy, found },
    objects: objects.length,
    problems: problems.toSorted((a, b) => compareText(a.subject, b.subject)),
  };
}

async function listAll(client: KubeClient, path: string): Promise<readonly KubeObject[]> {
  const signal = AbortSignal.timeout(listMsMax);
  const collection = client.collection(path);
  for (let tries = 1; ; tries += 1) {
    try {
      const items: KubeObject[] = [];
      let continueToken: string | undefined;
      for (let pages = 0; pages < pagesMax; pages += 1) {
        const request = {
          limit: pageSize,
          ...(continueToken === undefined ? {} : { continueToken }),
        };
        const page = await collection.list(request, signal);
        for (const item of page.items) items.push(named(item));
        continueToken = page.continueToken;
        if (continueToken === undefined) return items;
      }
      throw new KubeError(`a list has more than ${pagesMax} pages`);
    } catch (error) {
      // 410: the pages that are left were compacted away.
      if (!(error instanceof KubeError && error.status === 410 && tries < listTries)) throw error;
    }
  }
}

function named(item: KubeObject): KubeObject {
  if (typeof recordOf(recordOf(item)["metadata"])["name"] === "string") return item;
  throw new KubeError("the API server sent an object without a name");
}

/** A Secret that may not be read is told as such: its key counts as off, as it would for the controller. */
async function readSecrets(
  { client, namespace }: KubeConnection,
  entries: ReadonlySet<string>,
): Promise<ReadonlyMap<string, SecretDigest>> {
  const failures: unknown[] = [];
  const read = createSecretReader({
    nowMs: () => 0,
    read: async (name) => {
      try {
        const secret = await client.get(`/api/v1/namespaces/${namespace}/secrets/${name}`);
        return textsOf(recordOf(secret)["data"]);
      } catch (error) {
        const status = error instanceof KubeError ? error.status : undefined;
        if (status === 404) return undefined;
        if (status !== 403) failures.push(error);
        throw error;
      }
    },
  });
  const secrets = await read(entries);
  const [failure] = failures;
  if (failure === undefined) return secrets;
  throw toKubeFailure(failure, { verb: "get", resource: "secrets", namespace });
}

function textsOf(data: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(recordOf(data));
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

function inWordsOf(
  given: CompileProblem,
  secrets: ReadonlyMap<string, SecretDigest>,
): ObjectProblem {
  const { resource, cause, ...problem } = inClusterWords(given, secrets);
  const subject = `${resource.kind}/${resource.name}`;
  if (cause !== "secret_forbidden" || resource.kind !== "VirtualKey") {
    return { ...problem, subject, isForbidden: false };
  }
  const isPrevious = problem.path[1] === "previous";
  const credential = isPrevious ? resource.previous?.credential : resource.credential;
  const what = isPrevious ? "its previous secret" : "the key";
  const name = credential?.kind === "secretRef" ? credential.name : "";
  const message = `Secret ${name} may not be read with these credentials (403): ${what} counts as off here; ask for a role that may get it`;
  return { ...problem, message, subject, isForbidden: true };
}
