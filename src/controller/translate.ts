// The objects of one namespace -> the policy that the authorizers get, and what the status of each object should say.
// Pure: the same objects give the same answer, in any order.

import { createAliasScope } from "../core/permission/alias-scope.ts";
import { resolve } from "../core/permission/resolve.ts";
import type { Alias, CatalogueWord, Snapshot, VirtualKey } from "../core/permission/snapshot.ts";
import { createWork } from "../core/permission/work.ts";
import { type CompiledPolicy, compilePolicy } from "../policy/compile/compile.ts";
import type { CompileProblem } from "../policy/compile/context.ts";
import { type DecodedResource, decodeResource } from "../policy/decode/decode.ts";
import type { Problem } from "../policy/problem.ts";
import type {
  KeyCredential,
  ModelAliasResource,
  Resource,
  VirtualKeyResource,
} from "../policy/resources.ts";
import { conditionsOf } from "./conditions.ts";
import { type DesiredStatus, objectKey, type PolicyObject } from "./objects.ts";

/** What could be made of the entry of a Secret that a key names. `weak`: too short or with characters that no key has. */
export type SecretDigest =
  | { readonly kind: "digest"; readonly digest: string }
  | { readonly kind: "missing" }
  | { readonly kind: "weak" };

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
};

export type Decode = (object: PolicyObject) => DecodedResource;

export type Translation = {
  /** What the authorizers compile: every object that can be read, secrets already resolved to digests. */
  readonly resources: readonly Resource[];
  readonly policy: CompiledPolicy;
  /** The status of each object, by `objectKey`, once the policy is written or while it is not. */
  readonly statusOf: (object: PolicyObject, isWritten: boolean) => DesiredStatus;
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
  { nowMs, catalogue = "open", secrets, decode = decodeResource }: TranslateOptions,
): Translation {
  const decoded = new Map<string, Decoded>();
  const resources: Resource[] = [];
  for (const object of objects) {
    const { resource, problems } = decode(object);
    const invalid = problems.filter(({ severity }) => severity === "invalid");
    const isReadable = resource !== undefined && invalid.length === 0;
    decoded.set(objectKey(object), { resource: isReadable ? resource : undefined, invalid });
    if (isReadable) resources.push(resource);
  }
  const policy = compilePolicy(resources, { nowMs, catalogue, ...digestsOf(resources, secrets) });
  const disabled = disabledByObject(policy.problems, secrets);
  const members = membersOf(resources);
  return {
    resources: resources.flatMap((resource) => withDigests(resource, secrets) ?? []),
    policy,
    statusOf: (object, isWritten) => {
      const found = decoded.get(objectKey(object));
      const findings = {
        invalid: found?.invalid ?? [],
        disabled: disabled.get(objectKey(object)) ?? [],
        isWritten,
      };
      const conditions = conditionsOf(object, findings);
      const resource = found?.resource;
      if (resource?.kind === "ModelAlias") {
        return { conditions, resolvesTo: resolvesTo(policy.snapshot, resource) };
      }
      if (object.kind !== "Team") return { conditions };
      return { conditions, keys: members.get(object.metadata.name) ?? 0 };
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

function disabledByObject(
  problems: readonly CompileProblem[],
  secrets: ReadonlyMap<string, SecretDigest>,
): ReadonlyMap<string, readonly CompileProblem[]> {
  const byObject = new Map<string, CompileProblem[]>();
  for (const problem of problems) {
    if (problem.severity === "advice") continue;
    const { kind, name } = problem.resource;
    const key = `${kind}/${name}`;
    byObject.set(key, [...(byObject.get(key) ?? []), inClusterWords(problem, secrets)]);
  }
  return byObject;
}

/** The compiler speaks of files: here the Secret is either not there or too weak. */
export function inClusterWords(
  problem: CompileProblem,
  secrets: ReadonlyMap<string, SecretDigest>,
): CompileProblem {
  if (problem.cause !== "secret_not_found" || problem.resource.kind !== "VirtualKey")
    return problem;
  const isPrevious = problem.path[1] === "previous";
  const { credential, previous } = problem.resource;
  const named = isPrevious ? previous?.credential : credential;
  if (named?.kind !== "secretRef") return problem;
  const isWeak = secrets.get(secretEntry(named))?.kind === "weak";
  const what = isWeak
    ? `entry ${named.key} of Secret ${named.name} is no key: 20 to 512 printable characters without spaces and commas`
    : `there is no entry ${named.key} in a Secret ${named.name}`;
  return { ...problem, message: what };
}

function membersOf(resources: readonly Resource[]): ReadonlyMap<string, number> {
  const members = new Map<string, number>();
  for (const resource of resources) {
    if (resource.kind !== "VirtualKey" || resource.team === undefined) continue;
    members.set(resource.team, (members.get(resource.team) ?? 0) + 1);
  }
  return members;
}

/** Models named in a status: a weighted chain can lead to more. */
const resolvesToMax = 64;
/** Targets that are looked at for one status: each of 10,000 aliases has one. */
export const resolvesToStepsMax = 5000;

function aliasOf({ alias, targets, stickyBy, hidden }: ModelAliasResource): Alias {
  const running = targets.filter(({ weight }) => weight > 0);
  return { name: alias, targets: running, stickyBy, hidden };
}

const nobody = { name: "", disabled: false, notBeforeMs: undefined, expiresAtMs: undefined };

/** For a caller without aliases of its own. Empty where the alias leads nowhere. */
function resolvesTo(snapshot: Snapshot, resource: ModelAliasResource): readonly string[] {
  const alias = aliasOf(resource);
  const aliases = createAliasScope([alias]);
  const key: VirtualKey = { ...nobody, team: undefined, grant: undefined, aliases };
  // A pattern takes the shortest of its names like any other; `*` alone takes all.
  const requested = alias.name.replace("*", "") || "*";
  const lots = { draw: 0, headers: new Map<string, string>() };
  const work = createWork(resolvesToStepsMax);
  const resolution = resolve(snapshot, key, { requested, lots, work });
  return resolution.ok ? [...resolution.models].sort().slice(0, resolvesToMax) : [];
}
