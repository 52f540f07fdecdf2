// Any JSON value -> one resource, or everything that is wrong with it. Whether it fits the rest of the policy is the
// compiler's question.

import type { Problem, ProblemSeverity } from "../problem.ts";
import {
  objectName,
  policyApiVersion,
  policyGroup,
  type Resource,
  type ResourceIdentity,
  type ResourceKind,
  resourceKinds,
} from "../resources.ts";
import {
  type Field,
  type Fields,
  ownValue,
  type Report,
  readFields,
  readOpenFields,
} from "./field-reader.ts";
import { readNamespace, readObjectName, readTimestamp } from "./name-reader.ts";
import { described, quoted } from "./shown-text.ts";
import { similarName } from "./similar-name.ts";
import {
  readAccessGroupSpec,
  readModelAliasSpec,
  readModelSpec,
  readTeamSpec,
  readVirtualKeySpec,
} from "./specs.ts";

export type DecodedResource = {
  /** undefined where a problem is `invalid`, or the object is none of ours. */
  readonly resource: Resource | undefined;
  /** Which object it is, also where it is invalid, as far as that can be read. */
  readonly identity: ResourceIdentity | undefined;
  /** The kind that it says it is of, be its group or version wrong; undefined where it is none of ours. */
  readonly kind: ResourceKind | undefined;
  readonly problems: readonly Problem[];
};

/** Reads one object. Never throws. */
export function decodeResource(value: unknown): DecodedResource {
  const kind = readKind(value);
  if (typeof kind !== "string") {
    return { resource: undefined, identity: undefined, kind: claimedKind(value), ...kind };
  }
  const identity = identityOf(kind, value);
  const problems: Problem[] = [];
  const object = identity === undefined ? kind : objectName(identity);
  const report: Report = (path, message) => {
    problems.push({ severity: "invalid", object, path, message });
  };
  const decoded = readResource(kind, { value, path: [], report });
  const resource = problems.length === 0 ? decoded : undefined;
  return { resource, identity, kind, problems };
}

type Refusal = { readonly problems: readonly Problem[] };

/** The kind, or why the object is not read any further. */
function readKind(value: unknown): ResourceKind | Refusal {
  const one = (severity: ProblemSeverity, path: string[], message: string): Refusal => ({
    problems: [{ severity, object: shownObject(value), path, message }],
  });
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return one(
      "invalid",
      [],
      `must be an object with apiVersion and kind: found ${described(value)}`,
    );
  }
  const apiVersion = ownValue(value, "apiVersion");
  const kindValue = ownValue(value, "kind");
  if (typeof apiVersion !== "string") {
    const found = described(apiVersion);
    return one("invalid", ["apiVersion"], `must be ${policyApiVersion}: found ${found}`);
  }
  if (typeof kindValue !== "string") {
    const found = described(kindValue);
    return one("invalid", ["kind"], `must be ${resourceKinds.join(", ")}: found ${found}`);
  }
  const kind = resourceKinds.find((known) => known === kindValue);
  if (apiVersion === policyApiVersion && kind !== undefined) return kind;
  if (isOurGroup(apiVersion) && apiVersion !== policyApiVersion) {
    const message = `must be ${policyApiVersion}: found ${quoted(apiVersion)}`;
    return one("invalid", ["apiVersion"], message);
  }
  if (kind !== undefined) {
    const message = `must be ${policyApiVersion} for a ${kind}: found ${quoted(apiVersion)}`;
    return one("invalid", ["apiVersion"], message);
  }
  if (apiVersion === policyApiVersion) {
    const similar = similarName(kindValue, resourceKinds);
    const hint = similar === undefined ? "" : `; did you mean ${similar}?`;
    const message = `must be ${resourceKinds.join(", ")}: found ${quoted(kindValue)}${hint}`;
    return one("invalid", ["kind"], message);
  }
  const message = `is a ${quoted(kindValue)} of ${quoted(apiVersion)}, no part of a policy: skipped`;
  return one("advice", [], message);
}

function claimedKind(value: unknown): ResourceKind | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  return resourceKinds.find((known) => known === ownValue(value, "kind"));
}

/** Also a group that was plainly meant to be ours, so that a typo does not drop an object from the policy silently. */
function isOurGroup(apiVersion: string): boolean {
  const [group = ""] = apiVersion.split("/");
  const lower = group.toLowerCase();
  return lower === policyGroup || similarName(lower, [policyGroup]) !== undefined;
}

/** `kind name` of an object that is not ours or not readable, safe to print. */
function shownObject(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const kind = ownValue(value, "kind");
  if (typeof kind !== "string") return undefined;
  const metadata = ownValue(value, "metadata");
  const name =
    typeof metadata === "object" && metadata !== null ? ownValue(metadata, "name") : undefined;
  return typeof name === "string" ? `${shownWord(kind)} ${shownWord(name)}` : shownWord(kind);
}

function shownWord(word: string): string {
  return /^[A-Za-z0-9.-]{1,64}$/.test(word) ? word : quoted(word);
}

function identityOf(kind: ResourceKind, value: unknown): ResourceIdentity | undefined {
  const silent: Report = () => {};
  const object = readOpenFields({ value, path: [], report: silent });
  const metadata = object?.optional("metadata", readOpenFields);
  const name = metadata?.optional("name", readObjectName);
  const namespace = metadata?.optional("namespace", readNamespace);
  return name === undefined ? undefined : { kind, namespace, name };
}

const topLevelFields = ["apiVersion", "kind", "metadata", "spec", "status"];

function readResource(kind: ResourceKind, field: Field): Resource | undefined {
  const fields = readFields(field, topLevelFields);
  const metadata = fields?.required("metadata", readMetadata);
  // Without a name the spec is read all the same, so that all its problems show at once.
  const name = metadata?.name ?? "unnamed";
  const resource = fields?.required("spec", (spec) =>
    readSpec(kind, spec, { name, namespace: undefined, createdAtMs: undefined, ...metadata }),
  );
  return metadata === undefined ? undefined : resource;
}

type Metadata = {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly createdAtMs: number | undefined;
};

function readSpec(kind: ResourceKind, spec: Field, metadata: Metadata): Resource | undefined {
  switch (kind) {
    case "ModelAlias": {
      const read = readModelAliasSpec(spec, metadata.name);
      return read && { kind, ...metadata, ...read };
    }
    case "Team": {
      const read = readTeamSpec(spec);
      return read && { kind, ...metadata, ...read };
    }
    case "VirtualKey": {
      const read = readVirtualKeySpec(spec);
      return read && { kind, ...metadata, ...read };
    }
    case "AccessGroup": {
      const read = readAccessGroupSpec(spec);
      return read && { kind, ...metadata, ...read };
    }
    case "Model": {
      const read = readModelSpec(spec, metadata.name);
      return read && { kind, ...metadata, ...read };
    }
    default:
      return kind satisfies never;
  }
}

/** Of the metadata only these three are ours; labels, annotations, managedFields and the rest are the API server's. */
function readMetadata(field: Field): Metadata | undefined {
  const fields = readOpenFields(field);
  if (fields === undefined) return undefined;
  const name = fields.required("name", readObjectName);
  const namespace = fields.optional("namespace", readNamespace);
  const createdAtMs = readCreation(fields);
  return name === undefined ? undefined : { name, namespace, createdAtMs };
}

/** `creationTimestamp: null` is what `kubectl create --dry-run` prints. */
function readCreation(fields: Fields): number | undefined {
  return fields.optional("creationTimestamp", (field) =>
    field.value === null ? undefined : readTimestamp(field),
  );
}
