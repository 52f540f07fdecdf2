// The spec of each kind, read field by field. A decoder returns undefined only where it has reported why; what it
// returns beside reported problems is dropped by decode.ts.

import {
  type StickyBy,
  type UpstreamCredential,
  upstreamCredentialHeaders,
} from "../../core/permission/snapshot.ts";
import type {
  AccessGroupResource,
  GrantSpec,
  KeyCredential,
  ModelAliasResource,
  ModelResource,
  PreviousCredential,
  ResourceIdentity,
  ScopedAliases,
  TargetSpec,
  TeamResource,
  VirtualKeyResource,
} from "../resources.ts";
import {
  type Field,
  type Fields,
  readBoolean,
  readFields,
  readList,
  readNameMap,
  readText,
  readWhole,
  readWord,
  reportNothing,
} from "./field-reader.ts";
import { policyLimits } from "./limits.ts";
import {
  aliasNameFault,
  readAliasName,
  readBodyField,
  readCredentialName,
  readGrantedAlias,
  readHeaderName,
  readKeyHash,
  readModelName,
  readModelPattern,
  readObjectName,
  readRefusedField,
  readSecretKey,
  readTimestamp,
} from "./name-reader.ts";

/** A resource without its metadata. */
export type Spec<Of> = Omit<Of, keyof ResourceIdentity | "createdAtMs">;

export const noGrants: GrantSpec = { models: [], aliases: [], groups: [], deny: [] };

export function readModelAliasSpec(
  field: Field,
  objectName: string,
): Spec<ModelAliasResource> | undefined {
  const known = ["alias", "target", "targets", "stickyBy", "teams", "hidden", "description"];
  const fields = readFields(field, known);
  if (fields === undefined) return undefined;
  readDescription(fields);
  const alias = fields.optional("alias", readAliasName) ?? objectName;
  const targets = readTargets(field, fields);
  const stickyBy = fields.optional("stickyBy", readStickyBy) ?? { kind: "request" };
  const teams = fields.optional("teams", readTeams);
  const hidden = fields.optional("hidden", readBoolean) ?? false;
  const targetField = fields.has("target") ? "target" : "targets";
  return targets && { alias, targets, targetField, stickyBy, teams, hidden };
}

function readTargets(field: Field, fields: Fields): readonly TargetSpec[] | undefined {
  const { path, report } = field;
  const single = fields.optional("target", readModelName);
  const several = fields.optional("targets", (list) =>
    readList(list, { min: 1, max: policyLimits.aliasTargets, read: readTarget }),
  );
  if (fields.has("target") === fields.has("targets")) {
    const found = fields.has("target") ? "both" : "neither";
    return reportNothing(report, path, `must have either target or targets: found ${found}`);
  }
  if (single !== undefined) return [{ model: single, weight: 1 }];
  if (several?.length && several.every(({ weight }) => weight === 0)) {
    const message = "must have at least one target with a weight above 0";
    return reportNothing(report, [...path, "targets"], message);
  }
  return several;
}

function readTarget(field: Field): TargetSpec | undefined {
  const fields = readFields(field, ["model", "weight"]);
  if (fields === undefined) return undefined;
  const model = fields.required("model", readModelName);
  const weight =
    fields.optional("weight", (value) =>
      readWhole(value, { min: 0, max: policyLimits.targetWeight }),
    ) ?? 1;
  return model === undefined ? undefined : { model, weight };
}

function readStickyBy(field: Field): StickyBy | undefined {
  const { value, path, report } = field;
  if (value === "request" || value === "key") return { kind: value };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return reportNothing(report, path, "must be request, key or {header: NAME}");
  }
  const name = readFields(field, ["header"])?.required("header", readHeaderName);
  return name === undefined ? undefined : { kind: "header", name };
}

function readTeams(field: Field): readonly string[] | undefined {
  if (Array.isArray(field.value) && field.value.length === 0) {
    const message = "must name at least one team; without the field, everybody sees the alias";
    return reportNothing(field.report, field.path, message);
  }
  return readList(field, { min: 1, max: policyLimits.aliasTeams, read: readObjectName });
}

export function readTeamSpec(field: Field): Spec<TeamResource> | undefined {
  const fields = readFields(field, ["grants", "aliases", "disabled", "description"]);
  if (fields === undefined) return undefined;
  readDescription(fields);
  const grants = fields.optional("grants", readGrants) ?? noGrants;
  const disabled = fields.optional("disabled", readBoolean) ?? false;
  return { grants, aliases: readScopedAliases(fields), disabled };
}

export function readVirtualKeySpec(field: Field): Spec<VirtualKeyResource> | undefined {
  const fields = readFields(field, [
    ...["team", "grants", "aliases", "keyHash", "secretRef", "previous"],
    ...["notBefore", "expiresAt", "disabled", "description"],
  ]);
  if (fields === undefined) return undefined;
  readDescription(fields);
  const credential = readCredential(field, fields);
  const previous = fields.optional("previous", readPrevious);
  if (credential !== undefined && previous !== undefined) {
    reportSameCredential(field, credential, previous.credential);
  }
  const notBeforeMs = fields.optional("notBefore", readTimestamp);
  const expiresAtMs = fields.optional("expiresAt", readTimestamp);
  if (notBeforeMs !== undefined && expiresAtMs !== undefined && expiresAtMs <= notBeforeMs) {
    field.report([...field.path, "expiresAt"], "must be after notBefore");
  }
  const rest = {
    team: fields.optional("team", readObjectName),
    grants: fields.optional("grants", readGrants),
    aliases: readScopedAliases(fields),
    disabled: fields.optional("disabled", readBoolean) ?? false,
  };
  return credential && { ...rest, credential, previous, notBeforeMs, expiresAtMs };
}

function readCredential(field: Field, fields: Fields): KeyCredential | undefined {
  const digest = fields.optional("keyHash", readKeyHash);
  const secretRef = fields.optional("secretRef", readSecretRef);
  if (fields.has("keyHash") === fields.has("secretRef")) {
    const found = fields.has("keyHash") ? "both" : "neither";
    const message = `must have either keyHash or secretRef: found ${found}`;
    return reportNothing(field.report, field.path, message);
  }
  return digest === undefined ? secretRef : { kind: "digest", digest };
}

function readSecretRef(field: Field): KeyCredential | undefined {
  const fields = readFields(field, ["name", "key"]);
  const name = fields?.required("name", readObjectName);
  const key = fields?.required("key", readSecretKey);
  return name === undefined || key === undefined ? undefined : { kind: "secretRef", name, key };
}

function readPrevious(field: Field): PreviousCredential | undefined {
  const fields = readFields(field, ["keyHash", "secretRef", "until"]);
  if (fields === undefined) return undefined;
  const credential = readCredential(field, fields);
  const untilMs = fields.required("until", readTimestamp);
  return credential === undefined || untilMs === undefined ? undefined : { credential, untilMs };
}

/** The digest would be looked up once, and whether it expires would be a matter of luck. */
function reportSameCredential(field: Field, now: KeyCredential, before: KeyCredential): void {
  if (now.kind === "digest" && before.kind === "digest" && now.digest === before.digest) {
    field.report([...field.path, "previous", "keyHash"], "must differ from spec.keyHash");
  }
  if (now.kind !== "secretRef" || before.kind !== "secretRef") return;
  if (now.name === before.name && now.key === before.key) {
    field.report([...field.path, "previous", "secretRef"], "must differ from spec.secretRef");
  }
}

export function readAccessGroupSpec(field: Field): Spec<AccessGroupResource> | undefined {
  const fields = readFields(field, ["models", "description"]);
  if (fields === undefined) return undefined;
  readDescription(fields);
  const models = fields.required("models", (list) => readGrantList(list, readModelPattern));
  return models && { models };
}

export function readModelSpec(field: Field, objectName: string): Spec<ModelResource> | undefined {
  const fields = readFields(field, [
    ...["name", "upstreamName", "upstreamCredential", "backend", "bodyFields", "refusedFields"],
    ...["fallbacks", "ownedBy", "description", "strictFields"],
  ]);
  if (fields === undefined) return undefined;
  fields.optional("strictFields", reportStrictFields);
  readDescription(fields);
  const model = fields.optional("name", readModelName) ?? objectName;
  const { ownedByLength } = policyLimits;
  return {
    model,
    upstreamName: fields.optional("upstreamName", readModelName) ?? model,
    backend: fields.optional("backend", (word) => readWord(word, ["leaf", "router"])) ?? "router",
    bodyFields: fields.optional("bodyFields", readFieldNames(readBodyField)) ?? [],
    refusedFields: fields.optional("refusedFields", readFieldNames(readRefusedField)) ?? [],
    ownedBy: fields.optional("ownedBy", (text) =>
      readText(text, { max: ownedByLength, lines: false }),
    ),
    upstreamCredential: fields.optional("upstreamCredential", readUpstreamCredential),
    fallbacks: fields.optional("fallbacks", readFallbacks) ?? [],
  };
}

function readFallbacks(field: Field): readonly string[] | undefined {
  return readList(field, { min: 0, max: policyLimits.modelFallbacks, read: readModelName });
}

/** To ignore it would let through what its author meant to refuse. */
function reportStrictFields({ path, report }: Field): undefined {
  const remedy =
    "remove it: unknown body fields are refused wherever backend is router, and refusedFields refuses " +
    "known ones (what it refused: mcp_servers, container, tools[].type=mcp)";
  return reportNothing(report, path, `is no field any more; ${remedy}`);
}

function readFieldNames(read: (field: Field) => string | undefined) {
  return (field: Field) => readList(field, { min: 0, max: policyLimits.fieldEntries, read });
}

function readUpstreamCredential(field: Field): UpstreamCredential | undefined {
  const fields = readFields(field, ["name", "header"]);
  if (fields === undefined) return undefined;
  const name = fields.required("name", readCredentialName);
  const header = fields.optional("header", (word) => readWord(word, upstreamCredentialHeaders));
  return name === undefined ? undefined : { name, header: header ?? "authorization" };
}

/** For readers of the policy only; checked and then dropped. */
function readDescription(fields: Fields): void {
  fields.optional("description", (text) =>
    readText(text, { max: policyLimits.descriptionLength, lines: true }),
  );
}

function readGrants(field: Field): GrantSpec | undefined {
  const fields = readFields(field, ["models", "aliases", "groups", "deny"]);
  if (fields === undefined) return undefined;
  const read = (name: string, entry: (field: Field) => string | undefined): readonly string[] =>
    fields.optional(name, (list) => readGrantList(list, entry)) ?? [];
  const grants = {
    models: read("models", readModelPattern),
    aliases: read("aliases", readGrantedAlias),
    groups: read("groups", readObjectName),
    deny: read("deny", readModelPattern),
  };
  const characters = Object.values(grants)
    .flat()
    .reduce((sum, name) => sum + name.length, 0);
  const { grantCharacters } = policyLimits;
  if (characters <= grantCharacters) return grants;
  const message = `has names of ${characters} characters together: at most ${grantCharacters} are allowed`;
  return reportNothing(field.report, field.path, message);
}

function readGrantList(
  field: Field,
  read: (field: Field) => string | undefined,
): readonly string[] | undefined {
  return readList(field, { min: 0, max: policyLimits.grantEntries, read });
}

function readScopedAliases(fields: Fields): ScopedAliases {
  const options = {
    max: policyLimits.scopedAliases,
    checkName: aliasNameFault,
    read: readModelName,
  };
  return fields.optional("aliases", (field) => readNameMap(field, options)) ?? new Map();
}
