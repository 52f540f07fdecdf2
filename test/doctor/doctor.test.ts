// What the doctor says of good configurations and of those that were broken on purpose, in every form a file may have.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it, test } from "node:test";
import fc from "fast-check";
import type { Expected } from "../../src/doctor/check-filter.ts";
import { diagnose } from "../../src/doctor/doctor.ts";
import { type FindingCode, findingKinds } from "../../src/doctor/findings.ts";
import { digestOf, spliceDigest } from "../../src/doctor/splice.ts";
import { modes, spliceFile } from "../support/envoy-config.ts";
import { as, goodConfig, type Json, mutilations, type Parts } from "./mutilations.ts";

const expected: Expected = {
  bodyBytesMax: 32 * 1024 * 1024,
  modelHeaders: ["x-model"],
  editsBodies: true,
  authorizerCluster: undefined,
};

/** What a file may be, made of a bootstrap. */
const forms: Readonly<Record<string, (root: Json) => Json>> = {
  bootstrap: (root) => root,
  "bootstrap in camelCase": (root) => as(camelCased(root)),
  "config_dump with routes by RDS": toDump,
};

function camelCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelCased);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name.includes(".")
        ? name
        : name.replaceAll(/_([a-z0-9])/g, (_, c: string) => c.toUpperCase()),
      camelCased(inner),
    ]),
  );
}

/** As an Envoy tells it that got everything from a control plane. */
function toDump(root: Json): Json {
  const copy = structuredClone(root);
  const resources = as(copy["static_resources"]);
  const routes: Json[] = [];
  const listeners = (resources["listeners"] as Json[]).map((listener) => {
    for (const chain of listener["filter_chains"] as Json[]) {
      for (const filter of chain["filters"] as Json[]) {
        const manager = as(filter["typed_config"]);
        const own = manager["route_config"];
        if (own === undefined) continue;
        const name = `routes ${routes.length}`;
        routes.push({ route_config: { ...as(own), name } });
        delete manager["route_config"];
        manager["rds"] = { route_config_name: name };
      }
    }
    return { name: listener["name"], active_state: { listener } };
  });
  const type = (name: string): string => `type.googleapis.com/envoy.admin.v3.${name}`;
  return {
    configs: [
      { "@type": type("BootstrapConfigDump"), bootstrap: { admin: copy["admin"] } },
      {
        "@type": type("ClustersConfigDump"),
        dynamic_active_clusters: (resources["clusters"] as Json[]).map((cluster) => ({ cluster })),
      },
      { "@type": type("ListenersConfigDump"), dynamic_listeners: listeners },
      { "@type": type("RoutesConfigDump"), dynamic_route_configs: routes },
    ],
  };
}

const codesOf = (root: unknown, more: Partial<Expected> = {}): readonly FindingCode[] =>
  (diagnose(root, { ...expected, ...more })?.findings ?? []).map(({ code }) => code);

for (const [form, make] of Object.entries(forms)) {
  describe(`the doctor, reading a ${form}`, () => {
    for (const mode of modes) {
      it(`finds nothing in the good configuration of ${mode}`, () => {
        const diagnosis = diagnose(make(goodConfig(mode).root), expected);
        assert.deepEqual(diagnosis, { findings: [], guarded: ["main"] });
      });

      for (const { name, code, mode: only, change } of mutilations) {
        if (only !== undefined && only !== mode) continue;
        it(`${mode}: ${name}: ${code}`, () => {
          const parts = goodConfig(mode);
          change(parts);
          const found = codesOf(make(parts.root));
          assert.ok(found.includes(code), `found ${found.join(", ") || "nothing"}`);
        });
      }
    }
  });
}

test("every finding has a mutilation that brings it", () => {
  const codes = new Set(mutilations.map(({ code }) => code));
  assert.deepEqual(
    Object.keys(findingKinds).filter((code) => !codes.has(code as FindingCode)),
    [],
  );
  assert.ok(mutilations.length >= 40, `${mutilations.length}`);
});

/** Changes that good configurations have and that must stay without a word. */
const harmless: readonly (readonly [name: string, change: (parts: Parts) => void])[] = [
  [
    "one backend a model",
    ({ forwarding, routes }) => {
      const match = { prefix: "/", headers: [{ name: "x-model", string_match: { prefix: "a/" } }] };
      routes.splice(1, 0, { ...structuredClone(forwarding), match });
    },
  ],
  [
    "an unchecked route",
    ({ forwarding, routes }) => {
      const headers = [{ name: "x-aliasguard-unchecked", present_match: true }];
      routes.splice(1, 0, { ...structuredClone(forwarding), match: { prefix: "/", headers } });
    },
  ],
  [
    "websockets",
    ({ manager }) => {
      manager["upgrade_configs"] = [{ upgrade_type: "websocket" }];
    },
  ],
  [
    "rate limits behind the check",
    ({ filters }) => {
      const name = "envoy.filters.http.local_ratelimit";
      const url =
        "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit";
      filters.splice(filters.length - 1, 0, { name, typed_config: { "@type": url } });
    },
  ],
  [
    "a decompressor before the check",
    ({ filters }) => {
      const url = "type.googleapis.com/envoy.extensions.filters.http.decompressor.v3.Decompressor";
      filters.unshift({ name: "gunzip", typed_config: { "@type": url } });
    },
  ],
  [
    "a listener that leads elsewhere",
    ({ root, listener }) => {
      const other = structuredClone(listener);
      other["name"] = "stats";
      const chain = as((other["filter_chains"] as Json[])[0]);
      const manager = as(as((chain["filters"] as Json[])[0])["typed_config"]);
      manager["http_filters"] = [];
      manager["route_config"] = {
        virtual_hosts: [
          { name: "a", routes: [{ match: { prefix: "/" }, route: { cluster: "metrics" } }] },
        ],
      };
      (as(root["static_resources"])["listeners"] as Json[]).push(other);
    },
  ],
];

for (const mode of modes) {
  for (const [name, change] of harmless) {
    test(`the doctor has nothing against ${name} (${mode})`, () => {
      const parts = goodConfig(mode);
      change(parts);
      assert.deepEqual(diagnose(parts.root, expected)?.findings, []);
    });
  }
}

test("the doctor wants no splice where bodies are not edited", () => {
  const parts = goodConfig("ext_authz");
  parts.filters.splice(parts.filters.indexOf(as(parts.lua)), 1);
  parts.routes.shift();
  assert.deepEqual(codesOf(parts.root, { editsBodies: false }), []);
});

test("the doctor takes the authorizer's settings into account", () => {
  const { root } = goodConfig("ext_authz");
  const larger = codesOf(root, { bodyBytesMax: 64 * 1024 * 1024 });
  assert.deepEqual(new Set(larger), new Set(["limits_out_of_order"]));
  assert.ok(codesOf(root, { modelHeaders: ["x-ai-model"] }).includes("route_without_model"));
  assert.ok(codesOf(root, { authorizerCluster: "other" }).includes("check_missing"));
});

test("the doctor's splice is the one that is shipped", () => {
  const source = readFileSync(spliceFile, "utf8");
  assert.equal(digestOf(source), spliceDigest);
  const more = source.replace('{ "x-model" }', '{ "x-model", "x-ai-eg-model" }');
  assert.notEqual(more, source);
  assert.equal(digestOf(more), spliceDigest);
});

test("the doctor says of other files that they are none of its", () => {
  for (const root of [undefined, null, 1, "a", [], {}, { configs: [] }, { configs: [{}] }]) {
    assert.equal(diagnose(root, expected), undefined);
  }
});

test("the doctor never throws, whatever stands where", () => {
  const { root } = goodConfig("ext_authz");
  const paths: (readonly (string | number)[])[] = [];
  const walk = (value: unknown, path: readonly (string | number)[]): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [name, inner] of Object.entries(value)) {
      const next = [...path, Array.isArray(value) ? Number(name) : name];
      paths.push(next);
      walk(inner, next);
    }
  };
  walk(root, []);
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
      const copy: Json = structuredClone(root);
      let holder: Json = copy;
      for (const name of path.slice(0, -1)) holder = as(holder[name]);
      holder[String(path.at(-1))] = value;
      diagnose(copy, expected);
    }),
    { numRuns: 2000 },
  );
});
