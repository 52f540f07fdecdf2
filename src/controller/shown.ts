// What a status shows of an object beside its conditions, for columns and for who looks for a key: defaults filled in,
// targets in one line, and of a key what is public.

import { createAliasScope } from "../core/permission/alias-scope.ts";
import { resolve } from "../core/permission/resolve.ts";
import type { Alias, Snapshot, VirtualKey } from "../core/permission/snapshot.ts";
import { createWork } from "../core/permission/work.ts";
import type { ModelAliasResource, Resource } from "../policy/resources.ts";
import { keyIdAnnotation, type PolicyObject, type StatusFields } from "./objects.ts";

/** Models named in a status: a weighted chain can lead to more. */
const resolvesToMax = 64;

/** Hex characters of a digest that are shown: enough to tell keys apart, and of no use to who wants one. */
const digestPrefixLength = 12;

/** Characters of the targets in one line. */
const targetLengthMax = 256;

export type ShownDeps = {
  readonly snapshot: Snapshot;
  /** Of a VirtualKey: the digest of its key, and what is public of it where a Secret holds it. */
  readonly digest: string | undefined;
  readonly keyId: string | undefined;
  /** Of a Team. */
  readonly usableKeys: number;
};

export function shownOf(
  { metadata }: PolicyObject,
  resource: Resource,
  { snapshot, digest, keyId, usableKeys }: ShownDeps,
): StatusFields {
  switch (resource.kind) {
    case "ModelAlias":
      return {
        alias: resource.alias,
        target: targetText(resource),
        resolvesTo: resolvesTo(snapshot, resource),
      };
    case "Team":
      return { keys: usableKeys };
    case "VirtualKey": {
      const id = keyId ?? annotatedId(metadata.annotations?.[keyIdAnnotation]);
      return {
        ...(id !== undefined && { keyId: id }),
        ...(digest !== undefined && { digestPrefix: digest.slice(0, digestPrefixLength) }),
      };
    }
    case "Model": {
      const { model, upstreamName, backend } = resource;
      return { model, upstreamName, backend };
    }
    case "AccessGroup":
      return {};
    default:
      return resource satisfies never;
  }
}

/** As `aliasguard key new` writes it; anybody may write something else. */
function annotatedId(text: string | undefined): string | undefined {
  return text !== undefined && /^[a-z0-9]{1,32}$/.test(text) ? text : undefined;
}

/** `a`, or `a (70), b (30)` by weight. */
function targetText({ targets }: ModelAliasResource): string {
  const [only] = targets;
  const isPlain = targets.length === 1 && only !== undefined;
  const text = isPlain
    ? only.model
    : targets.map(({ model, weight }) => `${model} (${weight})`).join(", ");
  return text.length <= targetLengthMax ? text : `${text.slice(0, targetLengthMax - 3)}...`;
}

function aliasOf({ alias, targets, stickyBy, hidden }: ModelAliasResource): Alias {
  const running = targets.filter(({ weight }) => weight > 0);
  return { name: alias, targets: running, stickyBy, hidden };
}

const nobody = { name: "", disabled: false, notBeforeMs: undefined, expiresAtMs: undefined };

/** Targets that are looked at for one status: each of 10,000 aliases has one. */
export const resolvesToStepsMax = 5000;

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
