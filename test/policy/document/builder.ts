// Policies for the tests of the policy document: arbitrary ones for properties, large ones for shards, and readers that
// hand a document back whole, in part or changed.

import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type DecodedDocument,
  type DocumentReader,
  type DocumentSet,
  encodeDocument,
} from "../../../src/policy/document/document.ts";
import type { DocumentAbout } from "../../../src/policy/document/index-record.ts";
import type { Resource, ResourceKind } from "../../../src/policy/resources.ts";
import { keyHash, resource } from "../manifest-builder.ts";

export const about: DocumentAbout = {
  revision: "0123456789abcdef",
  counts: { aliases: 1, teams: 2, keys: 3, groups: 4, models: 5 },
  catalogue: "open",
};

/** Unless told, closed where there is a Model: what the oldest format can say. */
export function encoded(
  resources: readonly Resource[],
  given: DocumentAbout = aboutOf(resources),
): DocumentSet {
  const document = encodeDocument(resources, given);
  assert.deepEqual(document.leftOut, []);
  return { index: document.index, shards: document.shards };
}

export function aboutOf(resources: readonly Resource[]): DocumentAbout {
  const hasModel = resources.some(({ kind }) => kind === "Model");
  return { ...about, catalogue: hasModel ? "closed" : "open" };
}

export function readerOf({ index, shards }: DocumentSet): DocumentReader {
  return { index, shard: (number) => shards.get(number) };
}

/** The kind of fault and the message, or `ok`. */
export function verdict(document: DecodedDocument): string {
  return document.ok ? "ok" : `${document.kind}: ${document.message}`;
}

/** Names that some code takes for something else, all within the grammar of models. */
const modelNames = fc.constantFrom(
  ...["__proto__", "constructor", "toString", "hasOwnProperty", "1", "0", "42", "x"],
  ...["a", "b", "c", "openrouter/qwen/qwen3.5", "models/a b", "@cf/meta", "A", "m".repeat(256)],
);
const patterns = fc.oneof(modelNames, fc.constantFrom("*", "open*", "*/qwen/*", "__*"));
const objectNames = fc.constantFrom(
  "constructor",
  "tostring",
  "1",
  "0",
  "a",
  "b.c",
  "d-e",
  "valueof",
);
const digests = fc.nat({ max: 5 }).map(keyHash);
const times = fc.constantFrom(
  ...["0000-01-01T00:00:00+23:59", "0000-01-01T00:00:00Z", "0050-02-03T04:05:06.007Z"],
  ...["2026-01-01T00:00:00Z", "2026-06-01T00:00:00.001+02:00", "2026-06-01T00:00:00.999999999Z"],
  ...["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999-23:59"],
);
const scopedAliases = fc
  .uniqueArray(fc.tuple(modelNames, modelNames), { selector: ([name]) => name, maxLength: 5 })
  .map((pairs) => Object.fromEntries(pairs));
const list = (entries: fc.Arbitrary<string>, minLength = 0) =>
  fc.array(entries, { minLength, maxLength: 4 });
const some: { requiredKeys: [] } = { requiredKeys: [] };
const grants = fc.record(
  {
    models: list(patterns),
    aliases: list(modelNames),
    groups: list(objectNames),
    deny: list(patterns),
  },
  some,
);
const sticky = fc.constantFrom<unknown>("request", "key", { header: "X-User" });
const ownedBy = fc.constantFrom(
  "acme",
  "\u202eevil",
  "\ud800",
  "\u2028",
  "é",
  "",
  "\u{1f600}",
  '"\\',
);
const secretRef = fc.record({ name: objectNames, key: fc.constantFrom("__proto__", "key", ".k") });
const credential = fc.oneof(
  { arbitrary: digests.map((hash) => ({ keyHash: hash })), weight: 8 },
  { arbitrary: secretRef.map((ref) => ({ secretRef: ref })), weight: 1 },
);

const aliasSpec = fc
  .tuple(
    fc.oneof(
      modelNames.map((target) => ({ target })),
      fc
        .array(fc.record({ model: modelNames, weight: fc.nat({ max: 2 }) }), {
          ...{ minLength: 0, maxLength: 3 },
        })
        .map((targets) => ({ targets: [...targets, { model: "a", weight: 1_000_000 }] })),
    ),
    fc.record(
      { alias: modelNames, stickyBy: sticky, teams: list(objectNames, 1), hidden: fc.boolean() },
      some,
    ),
  )
  .map(([target, more]) => ({ ...target, ...more, description: "dropped" }));
const teamSpec = fc.record({ grants, aliases: scopedAliases }, some);
const keySpec = fc
  .tuple(
    credential,
    fc.option(fc.tuple(credential, times), { nil: undefined }),
    fc.record(
      {
        team: objectNames,
        grants,
        aliases: scopedAliases,
        disabled: fc.boolean(),
        expiresAt: times,
      },
      some,
    ),
  )
  .map(([now, before, more]) => {
    const isSame = JSON.stringify(now) === JSON.stringify(before?.[0]);
    const previous = before && !isSame ? { ...before[0], until: before[1] } : undefined;
    return { ...now, previous, ...more };
  });
const groupSpec = fc.record({ models: list(patterns) });
const modelSpec = fc.record(
  {
    ...{ name: modelNames, upstreamName: modelNames, ownedBy },
    upstreamCredential: fc.record(
      {
        name: fc.constantFrom("a", "B_2.txt", "__proto__"),
        header: fc.constantFrom("x-api-key", "authorization"),
      },
      { requiredKeys: ["name"] },
    ),
    backend: fc.constantFrom("leaf", "router"),
    bodyFields: list(fc.constantFrom("x_new", "metadata.tags", "aws_*", "__proto__")),
    refusedFields: list(fc.constantFrom("container", "tools[].type=mcp", "constructor")),
  },
  some,
);

const bodies = fc.oneof(
  fc.record({ kind: fc.constant<ResourceKind>("ModelAlias"), spec: aliasSpec }),
  fc.record({ kind: fc.constant<ResourceKind>("Team"), spec: teamSpec }),
  fc.record({ kind: fc.constant<ResourceKind>("VirtualKey"), spec: keySpec }),
  fc.record({ kind: fc.constant<ResourceKind>("AccessGroup"), spec: groupSpec }),
  fc.record({ kind: fc.constant<ResourceKind>("Model"), spec: modelSpec }),
);

/** Any policy of up to 12 objects, each of another kind or name, as manifests give it. */
export const policies: fc.Arbitrary<readonly Resource[]> = fc.uniqueArray(
  fc
    .tuple(
      bodies,
      objectNames,
      fc.option(times, { nil: undefined }),
      fc.constantFrom(undefined, "prod", "constructor"),
    )
    .map(
      ([{ kind, spec }, name, created, namespace]): Resource => ({
        ...resource(kind, name, spec, created),
        namespace,
      }),
    ),
  { selector: ({ kind, name }) => `${kind} ${name}`, maxLength: 12 },
);

/** `count` keys and as many aliases, of the size that real ones have. */
export function largePolicy(count: number): readonly Resource[] {
  const created = "2026-01-01T00:00:00Z";
  const resources: Resource[] = [
    resource("Team", "research", { grants: { models: ["openrouter/*"] } }, created),
  ];
  for (let at = 0; at < count; at++) {
    resources.push(largeKey(at, {}));
    const target = `openrouter/qwen/qwen3.5-flash-${at % 50}`;
    resources.push(
      resource("ModelAlias", `alias-${at}`, { alias: `Agent-${at}`, target }, created),
    );
  }
  return resources;
}

export function largeKey(at: number, more: object): Resource {
  const grants = { models: ["openrouter/qwen/*"], aliases: [`Agent-${at}`] };
  const spec = { team: "research", keyHash: keyHash(at), grants, ...more };
  return resource("VirtualKey", `key-${at}`, spec, "2026-01-01T00:00:00Z");
}
