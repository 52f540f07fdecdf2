// The objects of one namespace -> the policy that the authorizers get, and what the status of each object should say.
// Pure: the same objects give the same answer, in any order.

import type { CatalogueWord } from "../core/permission/snapshot.ts";
import { type CompiledPolicy, compilePolicy } from "../policy/compile/compile.ts";
import type { CompileProblem } from "../policy/compile/context.ts";
import { type DecodedResource, decodeResource } from "../policy/decode/decode.ts";
import type { Problem } from "../policy/problem.ts";
import type { KeyCredential, Resource, VirtualKeyResource } from "../policy/resources.ts";
import { type ClusterProblem, conditionsOf } from "./conditions.ts";
import { type DesiredStatus, objectKey, type PolicyObject } from "./objects.ts";
import type { ClusterCause, Reason } from "./reasons.ts";
import { shownOf } from "./shown.ts";
import { createKeyCounter } from "./usage.ts";
import { validityOf } from "./validity.ts";

/**
 * What could be made of the entry of a Secret that a key names. `weak`: too short or with characters that no key has.
 * `forbidden`: it may not be read. `unavailable`: the API server could not give it for too long. `unread`: not yet.
 */
export type SecretDigest =
  | {
      readonly kind: "digest";
      readonly digest: string;
      /** What is public of a key of ours. */
      readonly keyId?: string | undefined;
    }
  | { readonly kind: "missing" | "weak" | "forbidden" | "unavailable" | "unread" };

/** `name/entry` of a Secret, as a key of the digests. */
export function secretEntry({
  name,
  key,
}: {
  readonly name: string;
  readonly key: string;
}): string {
  return `${name}/${key}`;
}

export type TranslateOptions = {
  readonly nowMs: number;
  /** Default: open. */
  readonly catalogue?: CatalogueWord;
  readonly secrets: ReadonlyMap<string, SecretDigest>;
  /** May remember what it decoded before. */
  readonly decode?: Decode;
  /** Objects that have no room in the policy, by `objectKey`: they are as if they were not there. */
  readonly leftOut?: LeftOutObjects;
};

export type LeftOutObjects = ReadonlyMap<
  string,
  { readonly reason: Reason; readonly message: string }
>;

export type Decode = (object: PolicyObject) => DecodedResource;

export type Translation = {
  /** What the authorizers compile: every object that can be read, secrets already resolved to digests. */
  readonly resources: readonly Resource[];
  readonly policy: CompiledPolicy;
  /** The status of an object at a time, once the policy is written or while it is not. */
  readonly statusOf: (object: PolicyObject, isWritten: boolean, atMs?: number) => DesiredStatus;
};

/** Entries of Secrets that the keys name: the controller reads them before it translates. */
export function secretsNamedBy(
  objects: readonly PolicyObject[],
  decode: Decode = decodeResource,
): ReadonlySet<string> {
  const entries = new Set<string>();
  for (const object of objects) {
    if (object.kind !== "VirtualKey") continue;
    const { resource } = decode(object);
    if (resource?.kind !== "VirtualKey") continue;
    for (const credential of [resource.credential, resource.previous?.credential]) {
      if (credential?.kind === "secretRef") entries.add(secretEntry(credential));
    }
  }
  return entries;
}

export function translate(
  objects: readonly PolicyObject[],
  {
    nowMs,
    catalogue = "open",
    secrets,
    decode = decodeResource,
    leftOut = new Map(),
  }: TranslateOptions,
): Translation {
  const decoded = new Map<string, Decoded>();
  const resources: Resource[] = [];
  for (const object of objects) {
    const { resource, problems } = decode(object);
    const invalid = problems.filter(({ severity }) => severity === "invalid");
    const isReadable = resource !== undefined && invalid.length === 0;
    decoded.set(objectKey(object), { resource: isReadable ? resource : undefined, invalid });
    if (isReadable && !leftOut.has(objectKey(object))) resources.push(resource);
  }
  const policy = compilePolicy(resources, { nowMs, catalogue, ...digestsOf(resources, secrets) });
  const problems = problemsByObject(policy.problems, secrets);
  const teams = new Map(
    resources.map((each) => [each.name, each] as const).filter(([, each]) => each.kind === "Team"),
  );
  const isDisabled = (name: string): boolean => {
    const team = teams.get(name);
    return team?.kind === "Team" && team.disabled;
  };
  const usableKeys = createKeyCounter(policy);
  return {
    resources: resources.flatMap((resource) => withDigests(resource, secrets) ?? []),
    policy,
    statusOf: (object, isWritten, atMs = nowMs) => {
      const key = objectKey(object);
      const { resource, invalid = [] } = decoded.get(key) ?? {};
      const { disabled = [], advice = [] } = problems.get(key) ?? {};
      const validity = resource && validityOf(resource, atMs, { isDisabled });
      const conditions = conditionsOf(object, {
        ...{ invalid, disabled, advice, validity, isWritten },
        leftOut: leftOut.get(key),
      });
      const observedGeneration = object.metadata.generation;
      if (resource === undefined) return { observedGeneration, conditions };
      const credential = resource.kind === "VirtualKey" ? resource.credential : undefined;
      const shown = shownOf(object, resource, {
        snapshot: policy.snapshot,
        digest: credential && digestOf(credential, secrets),
        keyId: credential && keyIdOf(credential, secrets),
        usableKeys: resource.kind === "Team" ? usableKeys(resource.name, atMs) : 0,
      });
      return { observedGeneration, conditions, ...shown };
    },
  };
}

type Decoded = { readonly resource: Resource | undefined; readonly invalid: readonly Problem[] };

function digestOf(
  credential: KeyCredential,
  secrets: ReadonlyMap<string, SecretDigest>,
): string | undefined {
  if (credential.kind === "digest") return credential.digest;
  const found = secrets.get(secretEntry(credential));
  return found?.kind === "digest" ? found.digest : undefined;
}

function keyIdOf(
  credential: KeyCredential,
  secrets: ReadonlyMap<string, SecretDigest>,
): string | undefined {
  if (credential.kind === "digest") return undefined;
  const found = secrets.get(secretEntry(credential));
  return found?.kind === "digest" ? found.keyId : undefined;
}

function digestsOf(resources: readonly Resource[], secrets: ReadonlyMap<string, SecretDigest>) {
  const secretDigests = new Map<string, string>();
  const previousSecretDigests = new Map<string, string>();
  for (const resource of resources) {
    if (resource.kind !== "VirtualKey") continue;
    const digest = digestOf(resource.credential, secrets);
    if (digest !== undefined) secretDigests.set(resource.name, digest);
    const previous = resource.previous && digestOf(resource.previous.credential, secrets);
    if (previous !== undefined) previousSecretDigests.set(resource.name, previous);
  }
  return { secretDigests, previousSecretDigests };
}

/** The resource as the authorizers get it: they read no Secrets. undefined: a key whose secret is not to be had. */
function withDigests(
  resource: Resource,
  secrets: ReadonlyMap<string, SecretDigest>,
): Resource | undefined {
  if (resource.kind !== "VirtualKey") return resource;
  const isResolved =
    resource.credential.kind === "digest" && resource.previous?.credential.kind !== "secretRef";
  if (isResolved) return resource;
  const digest = digestOf(resource.credential, secrets);
  if (digest === undefined) return undefined;
  const previous = resource.previous && digestOf(resource.previous.credential, secrets);
  const key: VirtualKeyResource = {
    ...resource,
    credential: { kind: "digest", digest },
    previous:
      resource.previous === undefined || previous === undefined || previous === digest
        ? undefined
        : { credential: { kind: "digest", digest: previous }, untilMs: resource.previous.untilMs },
  };
  return key;
}

type ObjectProblems = { readonly disabled: ClusterProblem[]; readonly advice: Problem[] };

function problemsByObject(
  problems: readonly CompileProblem[],
  secrets: ReadonlyMap<string, SecretDigest>,
): ReadonlyMap<string, ObjectProblems> {
  const byObject = new Map<string, ObjectProblems>();
  for (const problem of problems) {
    const { kind, name } = problem.resource;
    const key = `${kind}/${name}`;
    const known = byObject.get(key) ?? { disabled: [], advice: [] };
    byObject.set(key, known);
    // What time has ended is told by validity.ts, which knows what time it is.
    if (problem.severity !== "advice") known.disabled.push(inClusterWords(problem, secrets));
    else if (!timeFields.has(String(problem.path.at(-1)))) known.advice.push(problem);
  }
  return byObject;
}

const timeFields: ReadonlySet<string> = new Set(["expiresAt", "until"]);

type SecretFinding = { readonly cause: ClusterCause; readonly message: string };

/** The compiler speaks of files: here it is known what is the matter with the Secret. */
export function inClusterWords(
  problem: CompileProblem,
  secrets: ReadonlyMap<string, SecretDigest>,
): Omit<CompileProblem, "cause"> & ClusterProblem {
  if (problem.cause !== "secret_not_found" || problem.resource.kind !== "VirtualKey")
    return problem;
  const isPrevious = problem.path[1] === "previous";
  const { credential, previous } = problem.resource;
  const named = isPrevious ? previous?.credential : credential;
  if (named?.kind !== "secretRef") return problem;
  const kind = secrets.get(secretEntry(named))?.kind ?? "missing";
  return { ...problem, ...secretFinding(kind, named) };
}

function secretFinding(
  kind: SecretDigest["kind"],
  { name, key }: { readonly name: string; readonly key: string },
): SecretFinding {
  switch (kind) {
    case "weak": {
      const grammar = "20 to 512 printable characters without spaces and commas";
      const message = `entry ${key} of Secret ${name} is no key: ${grammar}`;
      return { cause: "secret_invalid", message };
    }
    case "forbidden": {
      const hint = "see secrets.read of the chart";
      const message = `the controller may not read Secret ${name} (403); ${hint}`;
      return { cause: "secret_forbidden", message };
    }
    case "unavailable": {
      const message = `the API server fails to give Secret ${name}`;
      return { cause: "secret_unavailable", message };
    }
    case "unread":
      return { cause: "secret_unread", message: `Secret ${name} has not been read yet` };
    case "missing":
    case "digest": {
      const message = `there is no entry ${key} in a Secret ${name}`;
      return { cause: "secret_not_found", message };
    }
    default:
      return kind satisfies never;
  }
}
