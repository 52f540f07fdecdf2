// One resource <-> one record of a policy document. A record is the manifest without what nobody decides by; names from
// outside are values in it, never keys. It is read by the decoder of manifests, so that both follow the same rules.

import { decodeResource } from "../decode/decode.ts";
import {
  type Field,
  type FieldPath,
  ownValue,
  readFields,
  readPlainObject,
  reportNothing,
} from "../decode/field-reader.ts";
import { described, formatPath, toAscii } from "../decode/shown-text.ts";
import type {
  GrantSpec,
  KeyCredential,
  ModelAliasResource,
  ModelResource,
  PreviousCredential,
  Resource,
  ScopedAliases,
  TeamResource,
  VirtualKeyResource,
} from "../resources.ts";
import { policyApiVersion } from "../resources.ts";
import { isSaidByFormat1 } from "./format-1.ts";

const recordFields = ["kind", "name", "namespace", "createdAt", "spec"];

export type RecordText = {
  /** One line of JSON in ASCII, the same for equal resources. Defaults are left out. */
  readonly text: string;
  /** Whether readers of format 1 take it. */
  readonly isFormat1: boolean;
};

export function encodeRecord(resource: Resource): RecordText {
  const { kind, name, namespace, createdAtMs } = resource;
  const createdAt = timestampText(createdAtMs);
  const spec = specOf(resource);
  const text = toAscii(JSON.stringify({ kind, name, namespace, createdAt, spec }));
  return { text, isFormat1: isSaidByFormat1(resource, spec) };
}

/** `fault`: the first thing that is wrong, with its place in the record. */
export type DecodedRecord =
  | { readonly ok: true; readonly resource: Resource }
  | { readonly ok: false; readonly fault: string };

/** More than a record can have fields; each turn passes by at least one. */
const turnsMax = 64;

/**
 * Refuses what is wrong with the record, and what is wrong with the resource that it holds; a field that cannot be read
 * and is `skippable` is passed by. Never throws.
 */
export function decodeRecord(value: unknown, skippable: readonly string[] = []): DecodedRecord {
  let read = readRecord(value);
  let left = value;
  for (let turn = 0; read.faultAt !== undefined && turn < turnsMax; turn++) {
    const without = withoutField(left, read.faultAt, skippable);
    if (without === undefined) break;
    left = without;
    read = readRecord(left);
  }
  return read.decoded;
}

type ReadRecord = {
  readonly decoded: DecodedRecord;
  /** Where in the record the first fault is. */
  readonly faultAt: FieldPath | undefined;
};

function readRecord(value: unknown): ReadRecord {
  const faults: { readonly path: FieldPath; readonly text: string }[] = [];
  const report: Field["report"] = (path, message) => {
    const text = path.length === 0 ? message : `${formatPath(path)} ${message}`;
    faults.push({ path, text });
  };
  const manifest = readManifest({ value, path: [], report });
  const [fault] = faults;
  if (fault !== undefined) {
    return { decoded: { ok: false, fault: fault.text }, faultAt: fault.path };
  }
  const { resource, problems } = decodeResource(manifest);
  const [problem] = problems;
  if (problem === undefined && resource !== undefined) {
    return { decoded: { ok: true, resource }, faultAt: undefined };
  }
  const path = problem?.path.filter((part, at) => at > 0 || part !== "metadata") ?? [];
  const object = problem?.object === undefined ? "" : `of ${problem.object} `;
  const message = problem?.message ?? "cannot be read";
  const text = `${formatPath(path)} ${object}${message}`.trimStart();
  return { decoded: { ok: false, fault: text }, faultAt: path };
}

/** The record without this field, if its writer says that it may be passed by: `Kind.spec.field`, places in lists left out. */
function withoutField(
  record: unknown,
  path: FieldPath,
  skippable: readonly string[],
): unknown | undefined {
  const names = path.filter((part) => typeof part === "string");
  const [last] = path.slice(-1);
  if (typeof record !== "object" || record === null || typeof last !== "string") return undefined;
  if (!skippable.includes([ownValue(record, "kind"), ...names].join("."))) return undefined;
  const copy: unknown = structuredClone(record);
  let holder: unknown = copy;
  for (const part of path.slice(0, -1)) {
    if (typeof holder !== "object" || holder === null) return undefined;
    holder = ownValue(holder, String(part));
  }
  if (typeof holder !== "object" || holder === null) return undefined;
  return Reflect.deleteProperty(holder, last) ? copy : undefined;
}

function readManifest(field: Field): object | undefined {
  const fields = readFields(field, recordFields);
  if (fields === undefined) return undefined;
  const raw = (name: string): unknown => fields.optional(name, ({ value }) => value);
  const kind = raw("kind");
  const hasAliases = kind === "Team" || kind === "VirtualKey";
  const spec = hasAliases ? fields.required("spec", withAliasesAsMap) : raw("spec");
  const metadata = {
    name: raw("name"),
    namespace: raw("namespace"),
    creationTimestamp: raw("createdAt"),
  };
  return { apiVersion: policyApiVersion, kind, metadata, spec };
}

/** The spec as a manifest has it, where aliases are a map. `Object.fromEntries` takes `__proto__` like any name. */
function withAliasesAsMap(field: Field): object | undefined {
  const spec = readPlainObject(field);
  const pairs = spec === undefined ? undefined : ownValue(spec, "aliases");
  if (spec === undefined || pairs === undefined) return spec;
  const path = [...field.path, "aliases"];
  if (!Array.isArray(pairs)) {
    return reportNothing(field.report, path, `must be a list of pairs: found ${described(pairs)}`);
  }
  const entries = new Map<string, unknown>();
  const list: readonly unknown[] = pairs;
  for (const [at, pair] of list.entries()) {
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string") {
      return reportNothing(field.report, [...path, at], "must be a pair of an alias and its model");
    }
    if (entries.has(pair[0])) {
      return reportNothing(field.report, [...path, at], "names an alias a second time");
    }
    entries.set(pair[0], pair[1]);
  }
  return { ...spec, aliases: Object.fromEntries(entries) };
}

function specOf(resource: Resource): object {
  switch (resource.kind) {
    case "ModelAlias":
      return modelAliasSpec(resource);
    case "Team":
      return teamSpec(resource);
    case "VirtualKey":
      return virtualKeySpec(resource);
    case "AccessGroup":
      return { models: resource.models };
    case "Model":
      return modelSpec(resource);
    default:
      return resource satisfies never;
  }
}

function modelAliasSpec(resource: ModelAliasResource): object {
  const { alias, targets, targetField, stickyBy, teams, hidden } = resource;
  return {
    alias,
    ...(targetField === "target"
      ? { target: targets[0]?.model }
      : { targets: targets.map(({ model, weight }) => ({ model, weight })) }),
    stickyBy: stickyByValue(stickyBy),
    teams,
    hidden: hidden || undefined,
  };
}

function stickyByValue(stickyBy: ModelAliasResource["stickyBy"]): object | string | undefined {
  if (stickyBy.kind === "header") return { header: stickyBy.name };
  return stickyBy.kind === "request" ? undefined : stickyBy.kind;
}

function teamSpec({ grants, aliases, disabled }: TeamResource): object {
  return {
    grants: grantsValue(grants),
    aliases: aliasesValue(aliases),
    disabled: disabled || undefined,
  };
}

function virtualKeySpec(resource: VirtualKeyResource): object {
  const { team, grants, aliases, credential, previous, notBeforeMs, expiresAtMs } = resource;
  return {
    team,
    grants: grants === undefined ? undefined : grantsValue(grants),
    aliases: aliasesValue(aliases),
    ...credentialFields(credential),
    previous: previousValue(credential, previous),
    notBefore: timestampText(notBeforeMs),
    expiresAt: timestampText(expiresAtMs),
    disabled: resource.disabled || undefined,
  };
}

function modelSpec(resource: ModelResource): object {
  const { model, upstreamName, backend, ownedBy, upstreamCredential, fallbacks } = resource;
  return {
    name: model,
    upstreamName: upstreamName === model ? undefined : upstreamName,
    backend,
    bodyFields: filled(resource.bodyFields),
    refusedFields: filled(resource.refusedFields),
    ownedBy,
    upstreamCredential,
    fallbacks: fallbacks.length === 0 ? undefined : fallbacks,
  };
}

function filled(list: readonly string[]): readonly string[] | undefined {
  return list.length === 0 ? undefined : list;
}

function grantsValue({ models, aliases, groups, deny }: GrantSpec): object {
  return {
    ...{ models: filled(models), aliases: filled(aliases) },
    ...{ groups: filled(groups), deny: filled(deny) },
  };
}

/** In the author's order, which is the order in which problems are found. */
function aliasesValue(aliases: ScopedAliases): readonly (readonly string[])[] | undefined {
  return aliases.size === 0 ? undefined : [...aliases];
}

/**
 * A credential that is still a reference stays one: the compiler leaves such a key out, with a problem that says so, and
 * that is better than a policy that cannot be written.
 */
function credentialFields(credential: KeyCredential): object {
  if (credential.kind === "digest") return { keyHash: `sha256:${credential.digest}` };
  return { secretRef: { name: credential.name, key: credential.key } };
}

/** Two Secrets may turn out to hold one key. The current credential covers it, and no manifest may say it twice. */
function previousValue(
  credential: KeyCredential,
  previous: PreviousCredential | undefined,
): object | undefined {
  if (previous === undefined) return undefined;
  const before = credentialFields(previous.credential);
  if (JSON.stringify(before) === JSON.stringify(credentialFields(credential))) return undefined;
  return { ...before, until: timestampText(previous.untilMs) };
}

const lastYearEndMs = Date.UTC(10_000, 0, 1);
const zoneMs = (23 * 60 + 59) * 60_000;

/** RFC 3339, which has four digits for the year: a zone brings the few times around the first and last year within. */
function timestampText(ms: number | undefined): string | undefined {
  if (ms === undefined) return undefined;
  if (ms >= lastYearEndMs) return isoText(ms - zoneMs).replace("Z", "-23:59");
  const text = isoText(ms);
  return text.startsWith("-") ? isoText(ms + zoneMs).replace("Z", "+23:59") : text;
}

function isoText(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}
