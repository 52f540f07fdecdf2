// What the chart renders for gateways: complete for each type and mode, the shipped filters in it, limits from one value, and
// a clear word where something is missing. The doctor looks at what an Envoy would make of it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { diagnose } from "../../src/doctor/doctor.ts";
import { digestOf, spliceDigest } from "../../src/doctor/splice.ts";
import { envoyFolder } from "../support/envoy-config.ts";
import { getHelm } from "../support/get-helm.ts";
import { requirement } from "../support/requirements.ts";
import { createHelm, type Rendered, readYaml } from "./run-helm.ts";

const helmPath = await requirement(() => getHelm());

type Json = { [name: string]: unknown };
const as = (value: unknown): Json => value as Json;
const many = (value: unknown): Json[] => value as Json[];

const routes = [
  { model: "vendor/silver-1", service: "silver", port: 80 },
  { model: "openrouter/qwen/*", service: "gold", namespace: "models", port: 8080 },
];
const buffer = 33_554_432 + 131_072;

describe("the chart for gateways", { skip: helmPath.skip }, () => {
  const helm = createHelm(helmPath.value ?? "");
  after(() => helm.remove());

  const render = async (gateway: object, more: object = {}): Promise<readonly Rendered[]> => {
    const plain = new Set((await helm.template(more)).map(nameOf));
    return (await helm.template({ ...more, gateway })).filter((each) => !plain.has(nameOf(each)));
  };
  const kinds = (objects: readonly Rendered[]): readonly string[] =>
    objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`).sort();
  const specOf = (objects: readonly Rendered[], kind: string, name: string): Json => {
    const found = objects.find((each) => each.kind === kind && each.metadata.name === name);
    assert.ok(found, `no ${kind} ${name}`);
    return as(found.spec);
  };

  it("renders nothing of a gateway unless asked", async () => {
    assert.deepEqual(await render({ type: "none", routes }), []);
  });

  for (const [mode, check] of [
    ["extProc", "envoy.filters.http.ext_proc"],
    ["extAuthz", "envoy.filters.http.ext_authz"],
  ] as const) {
    it(`renders a whole Envoy, ${mode}, against which the doctor has nothing`, async () => {
      const objects = await render({ type: "envoy", mode, routes });
      assert.deepEqual(kinds(objects), [
        "ConfigMap apps/agt-aliasguard-envoy",
        "Deployment apps/agt-aliasguard-envoy",
        "Service apps/agt-aliasguard-envoy",
      ]);
      const bootstrap = bootstrapOf(objects);
      const diagnosis = diagnose(bootstrap, expected());
      const codes = diagnosis?.findings.map(({ code }) => code);
      // Within one cluster a mesh or a network policy is the operator's choice; docs say so.
      assert.deepEqual(codes, ["authorizer_in_clear"]);
      assert.deepEqual(diagnosis?.guarded, ["main"]);
      const names = filtersOf(bootstrap).map(({ name }) => name);
      assert.ok(names.includes(check));
    });

    it(`takes limits, model headers and routes from the values, ${mode}`, async () => {
      const settings = { bodyBytesMax: 1_000_000, modelHeaders: ["x-ai-model"], realtime: true };
      const unchecked = { service: "files", port: 81 };
      const gateway = { type: "envoy", mode, routes, unchecked };
      const bootstrap = bootstrapOf(await render(gateway, { settings }));
      const diagnosis = diagnose(bootstrap, {
        ...expected(),
        bodyBytesMax: 1_000_000,
        modelHeaders: ["x-ai-model"],
      });
      assert.deepEqual(
        diagnosis?.findings.map(({ code }) => code),
        ["authorizer_in_clear"],
      );
      const manager = managerOf(bootstrap);
      assert.deepEqual(manager["upgrade_configs"], [{ upgrade_type: "websocket" }]);
      const host = as(many(as(manager["route_config"])["virtual_hosts"])[0]);
      assert.equal(host["request_body_buffer_limit"], 1_131_072);
      const forwarding = many(host["routes"]).flatMap((route) => {
        const headers = as(route["match"])["headers"];
        return headers === undefined ? [] : [as(many(headers)[0])];
      });
      assert.deepEqual(forwarding, [
        { name: "x-ai-model", string_match: { exact: "vendor/silver-1" } },
        { name: "x-ai-model", string_match: { prefix: "openrouter/qwen/" } },
        { name: "x-aliasguard-unchecked", present_match: true },
      ]);
      const addresses = many(as(bootstrap["static_resources"])["clusters"]).map((cluster) =>
        JSON.stringify(cluster["load_assignment"]),
      );
      const reached = [
        ["agt-aliasguard.apps.svc.cluster.local", 9191],
        ["silver.apps.svc.cluster.local", 80],
        ["gold.models.svc.cluster.local", 8080],
        ["files.apps.svc.cluster.local", 81],
      ] as const;
      for (const [address, port] of reached) {
        const wanted = `{"address":"${address}","port_value":${port}}`;
        assert.ok(
          addresses.some((text) => text?.includes(wanted)),
          address,
        );
      }
    });

    for (const target of [{ selector: { istio: "ingressgateway" } }, { gatewayName: "llm" }]) {
      it(`renders Istio, ${mode}, ${Object.keys(target)[0]}`, async () => {
        const gateway = { type: "istio", mode, target, namespace: "istio-system", routes };
        const objects = await render(gateway);
        const byName = "gatewayName" in target;
        const wanted = [
          "EnvoyFilter istio-system/agt-aliasguard-http",
          ...(mode === "extProc"
            ? ["EnvoyFilter istio-system/agt-aliasguard-check"]
            : [
                "EnvoyFilter istio-system/agt-aliasguard-splice",
                "AuthorizationPolicy istio-system/agt-aliasguard",
              ]),
          ...(byName
            ? ["HTTPRoute istio-system/agt-aliasguard"]
            : [
                "Gateway istio-system/agt-aliasguard",
                "VirtualService istio-system/agt-aliasguard",
              ]),
        ];
        assert.deepEqual(kinds(objects), wanted.sort());
        for (const { kind, spec } of objects) {
          if (kind !== "EnvoyFilter") continue;
          assert.ok((byName ? "targetRefs" : "workloadSelector") in as(spec));
        }
        // What istiod makes of the filters, on a listener of its own.
        const dump = istioDump(objects, mode);
        const diagnosis = diagnose(dump, expected());
        const left = diagnosis?.findings.filter(({ code }) => code !== "authorizer_in_clear");
        assert.deepEqual(left, []);
      });
    }

    for (const localReplies of ["patch", "override", "none"]) {
      it(`renders Envoy Gateway, ${mode}, local replies ${localReplies}`, async () => {
        const target = { gatewayName: "llm" };
        const gateway = {
          type: "envoyGateway",
          mode,
          target,
          namespace: "llm",
          localReplies,
          routes,
        };
        const objects = await render(gateway);
        const isProc = mode === "extProc";
        const wanted = [
          "BackendTrafficPolicy llm/agt-aliasguard",
          "ClientTrafficPolicy llm/agt-aliasguard",
          "HTTPRoute llm/agt-aliasguard",
          "HTTPRouteFilter llm/agt-aliasguard-not-authorized",
          "HTTPRouteFilter llm/agt-aliasguard-rewrite-failed",
          "ReferenceGrant apps/agt-aliasguard",
          ...(isProc
            ? ["EnvoyExtensionPolicy llm/agt-aliasguard"]
            : [
                "ConfigMap llm/agt-aliasguard-splice",
                "EnvoyExtensionPolicy llm/agt-aliasguard-splice",
                "SecurityPolicy llm/agt-aliasguard",
              ]),
          ...(!isProc || localReplies === "patch" ? ["EnvoyPatchPolicy llm/agt-aliasguard"] : []),
        ];
        assert.deepEqual(kinds(objects), wanted.sort());
        const client = specOf(objects, "ClientTrafficPolicy", "agt-aliasguard");
        assert.deepEqual(client["connection"], { bufferLimit: buffer });
        assert.deepEqual(as(client["headers"])["earlyRequestHeaders"], {
          remove: ["x-model"],
          removeOnMatch: [{ type: "Prefix", value: "x-aliasguard-" }],
        });
        const check = isProc
          ? as(many(specOf(objects, "EnvoyExtensionPolicy", "agt-aliasguard")["extProc"])[0])
          : as(specOf(objects, "SecurityPolicy", "agt-aliasguard")["extAuth"]);
        assert.equal(check["failOpen"], false);
        assert.equal(check["statusOnError"], localReplies === "override" ? 502 : 503);
        if (!isProc) {
          assert.deepEqual(check["bodyToExtAuth"], { maxRequestBytes: 33_619_968 });
          const { data } = objects.find(({ kind }) => kind === "ConfigMap") as unknown as {
            readonly data: { readonly lua: string };
          };
          assert.equal(digestOf(data.lua), spliceDigest);
          const { jsonPatches } = specOf(objects, "EnvoyPatchPolicy", "agt-aliasguard");
          assert.ok(JSON.stringify(jsonPatches).includes('"path":"pack_as_bytes","value":true'));
        }
        const rules = many(specOf(objects, "HTTPRoute", "agt-aliasguard")["rules"]);
        assert.deepEqual(
          rules.map((rule) => ["backendRefs" in rule, "filters" in rule]),
          [
            [false, true],
            [true, false],
            [true, false],
            [false, true],
          ],
        );
        assert.ok(JSON.stringify(rules[2]).includes('"value":"openrouter/qwen/.*"'));
      });
    }
  }

  for (const count of [1, 12, 13, 24, 25, 256]) {
    it(`puts ${count} routes into HTTPRoutes of 16 rules at most, in their order`, async () => {
      const models = Array.from({ length: count }, (_, at) => `vendor/m-${at}`);
      const each = models.map((model) => ({ model, service: "gold", port: 80 }));
      const unchecked = { service: "files", port: 81 };
      const target = { gatewayName: "llm" };
      const objects = await render({ type: "istio", target, routes: each, unchecked });
      const found = objects.filter(({ kind }) => kind === "HTTPRoute");
      const names = found.map(({ metadata }) => metadata.name);
      assert.equal(names.length, Math.ceil(count / 12));
      // Of objects of one age the first by name counts.
      assert.deepEqual(names, [...names].sort());
      const rules = found.map(({ spec }) => many(as(spec)["rules"]));
      assert.ok(rules.every(({ length }) => length <= 16));
      const modelOf = (rule: Json): unknown => {
        const headers = as(many(rule["matches"])[0])["headers"];
        return headers === undefined ? undefined : as(many(headers)[0])["value"];
      };
      const values = rules.flat().map(modelOf);
      const named = values.filter((value) => String(value).startsWith("vendor/"));
      assert.deepEqual(named, models);
      const others = values.filter((value) => !String(value).startsWith("vendor/"));
      assert.deepEqual(others, [undefined, ".+", undefined]);
    });
  }

  it("gives local replies as they are shipped", async () => {
    const shipped = as(readYaml(readFileSync(join(envoyFolder, "envoy-ext-proc.yaml"), "utf8")));
    const gateway = { type: "istio", target: { selector: { a: "b" } } };
    const [filter] = await render(gateway).then((all) =>
      all.filter((each) => each.metadata.name.endsWith("-http")),
    );
    const [patch] = many(as(filter?.spec)["configPatches"]);
    const value = as(as(as(patch)["patch"])["value"]);
    assert.deepEqual(
      as(value["typed_config"])["local_reply_config"],
      managerOf(shipped)["local_reply_config"],
    );
  });

  const failures: readonly (readonly [gateway: object, message: RegExp])[] = [
    [{ type: "envoy" }, /wants gateway\.routes/],
    [{ type: "istio" }, /wants gateway\.target\.selector .* or gateway\.target\.gatewayName/],
    [{ type: "envoyGateway" }, /wants gateway\.target\.gatewayName/],
    [
      { type: "istio", target: { selector: { a: "b" }, context: "SIDECAR_INBOUND" } },
      /wants authorizer\.service\.clusterIP/,
    ],
    [
      { type: "istio", target: { gatewayName: "g" }, routes: [{ model: "*", host: "h", port: 1 }] },
      /host is for gateway\.type envoy/,
    ],
    [{ type: "nginx" }, /gateway\/type/],
    [{ type: "envoy", routes: [{ model: "*", port: 80 }] }, /gateway\/routes\/0/],
    [{ type: "envoy", routes: [{ model: "a*b", service: "s", port: 80 }] }, /routes\/0\/model/],
  ];
  for (const [gateway, message] of failures) {
    it(`refuses ${JSON.stringify(gateway)}`, async () => {
      await assert.rejects(helm.template({ gateway }), message);
    });
  }
});

const nameOf = ({ kind, metadata }: Rendered): string =>
  `${kind} ${metadata.namespace}/${metadata.name}`;

function expected() {
  return {
    bodyBytesMax: 33_554_432,
    modelHeaders: ["x-model"],
    editsBodies: true,
    authorizerCluster: undefined,
  };
}

function bootstrapOf(objects: readonly Rendered[]): Json {
  const { data } = objects.find(({ kind }) => kind === "ConfigMap") as unknown as {
    readonly data: Readonly<Record<string, string>>;
  };
  return as(readYaml(data["envoy.yaml"] ?? ""));
}

function managerOf(bootstrap: Json): Json {
  const listener = as(many(as(bootstrap["static_resources"])["listeners"])[0]);
  const chain = as(many(listener["filter_chains"])[0]);
  return as(as(many(chain["filters"])[0])["typed_config"]);
}

function filtersOf(bootstrap: Json): Json[] {
  return many(managerOf(bootstrap)["http_filters"]);
}

/** A listener such as istiod makes, with the patches of the EnvoyFilters put in: merged, first, or after ext_authz. */
function istioDump(objects: readonly Rendered[], mode: string): Json {
  const type = (name: string): string => `type.googleapis.com/envoy.extensions.${name}`;
  const router = {
    name: "envoy.filters.http.router",
    typed_config: { "@type": type("filters.http.router.v3.Router") },
  };
  const authority = "outbound|9191||agt-aliasguard.apps.svc.cluster.local";
  // Of the provider in MeshConfig, as the notes print it.
  const extAuthz: Json = {
    "@type": type("filters.http.ext_authz.v3.ExtAuthz"),
    grpc_service: { envoy_grpc: { cluster_name: authority }, timeout: "5s" },
    with_request_body: { max_request_bytes: 33_619_968, pack_as_bytes: true },
  };
  const manager: Json = {
    "@type": type("filters.network.http_connection_manager.v3.HttpConnectionManager"),
    normalize_path: true,
    use_remote_address: true,
    rds: { route_config_name: "http.80" },
  };
  const filters: Json[] = [router];
  if (mode === "extAuthz") {
    filters.unshift({ name: "envoy.filters.http.ext_authz", typed_config: extAuthz });
  }
  let limit: unknown;
  for (const { kind, spec } of objects) {
    if (kind !== "EnvoyFilter") continue;
    for (const { applyTo, patch } of many(as(spec)["configPatches"])) {
      const { operation, value } = as(patch);
      const own = as(value);
      if (applyTo === "LISTENER") limit = own["per_connection_buffer_limit_bytes"];
      else if (applyTo === "NETWORK_FILTER") Object.assign(manager, as(own["typed_config"]));
      else if (operation === "INSERT_FIRST") filters.unshift(own);
      else if (operation === "INSERT_AFTER") filters.splice(1, 0, own);
      else Object.assign(extAuthz, as(own["typed_config"]));
    }
  }
  manager["http_filters"] = filters;
  const header = [{ name: "x-model", string_match: { prefix: "" } }];
  const route_config = {
    name: "http.80",
    virtual_hosts: [
      {
        name: "all",
        routes: [
          { match: { prefix: "/aliasguard-rewrite-pending" }, direct_response: { status: 500 } },
          { match: { prefix: "/", headers: header }, route: { cluster: "outbound|80||gold" } },
          { match: { prefix: "/" }, direct_response: { status: 503 } },
        ],
        ...(mode === "extAuthz" && { request_body_buffer_limit: buffer }),
      },
    ],
  };
  const http2 = { explicit_http_config: { http2_protocol_options: {} } };
  const options = { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2 };
  return {
    configs: [
      {
        "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
        dynamic_listeners: [
          {
            active_state: {
              listener: {
                name: "0.0.0.0_80",
                per_connection_buffer_limit_bytes: limit,
                filter_chains: [{ filters: [{ typed_config: manager }] }],
              },
            },
          },
        ],
      },
      {
        "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump",
        dynamic_route_configs: [{ route_config }],
      },
      {
        "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
        dynamic_active_clusters: [
          {
            cluster: {
              name: authority,
              type: "EDS",
              typed_extension_protocol_options: options,
              circuit_breakers: { thresholds: [{ max_requests: 4_294_967_295 }] },
            },
          },
        ],
      },
    ],
  };
}
