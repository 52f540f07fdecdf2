// What format 1 of the policy document can say: the fields and names that its readers know. They refuse a whole document
// for one record with more, so a policy with more is written in format 2. To be deleted with the format.

import type { Resource } from "../resources.ts";

/** Fields of each kind, as the format's readers know them. */
const fields: Readonly<Record<Resource["kind"], ReadonlySet<string>>> = {
  ModelAlias: new Set(["alias", "target", "targets", "stickyBy", "teams", "hidden"]),
  Team: new Set(["grants", "aliases"]),
  VirtualKey: new Set([
    ...["team", "grants", "aliases", "keyHash", "secretRef", "previous"],
    ...["notBefore", "expiresAt", "disabled"],
  ]),
  AccessGroup: new Set(["models"]),
  Model: new Set([...["name", "upstreamName", "backend", "ownedBy", "upstreamCredential"]]),
};

/** What `strictFields` refused beside unknown fields. */
const strictRefused = ["mcp_servers", "container", "tools[].type=mcp"];

/**
 * A record of the format in today's words; the same where it has no others. `strictFields` refused unknown fields on
 * every backend, which today is what a router means.
 */
export function toToday(record: unknown): unknown {
  const { kind, spec } = (record ?? {}) as { readonly kind?: unknown; readonly spec?: unknown };
  if (kind !== "Model" || typeof spec !== "object" || spec === null) return record;
  if (!Object.hasOwn(spec, "strictFields")) return record;
  const { strictFields, ...rest } = spec as Readonly<Record<string, unknown>>;
  if (typeof strictFields !== "boolean") return record;
  const strict = strictFields ? { backend: "router", refusedFields: strictRefused } : {};
  return { ...Object(record), spec: { ...rest, ...strict } };
}

const wholeName = /^[A-Za-z0-9@_][A-Za-z0-9._:/@+=~-]*(?: [A-Za-z0-9._:/@+=~-]+)*$/;
const wholePattern = /^[*A-Za-z0-9._:/@+=~-]+(?: [*A-Za-z0-9._:/@+=~-]+)*$/;
const dotSegment = /(?:^|\/)\.{0,2}(?:\/|$)/;

/** Whether the format's readers take the record of this resource. `spec` is the record's. */
export function isSaidByFormat1(resource: Resource, spec: object): boolean {
  const known = fields[resource.kind];
  for (const [field, value] of Object.entries(spec)) {
    if (value !== undefined && !known.has(field)) return false;
  }
  return namesOf(resource).every(isName) && patternsOf(resource).every(isPattern);
}

function isName(name: string): boolean {
  return wholeName.test(name) && !dotSegment.test(name);
}

function isPattern(pattern: string): boolean {
  if (!pattern.includes("*")) return isName(pattern);
  return wholePattern.test(pattern) && !dotSegment.test(pattern);
}

/** Names of models and aliases. */
function namesOf(resource: Resource): readonly string[] {
  switch (resource.kind) {
    case "ModelAlias":
      return [resource.alias, ...resource.targets.map(({ model }) => model)];
    case "Team":
      return [...[...resource.aliases].flat(), ...resource.grants.aliases];
    case "VirtualKey":
      return [...[...resource.aliases].flat(), ...(resource.grants?.aliases ?? [])];
    case "AccessGroup":
      return [];
    case "Model":
      return [resource.model, resource.upstreamName];
    default:
      return resource satisfies never;
  }
}

function patternsOf(resource: Resource): readonly string[] {
  if (resource.kind === "AccessGroup") return resource.models;
  if (resource.kind !== "Team" && resource.kind !== "VirtualKey") return [];
  return [...(resource.grants?.models ?? []), ...(resource.grants?.deny ?? [])];
}
