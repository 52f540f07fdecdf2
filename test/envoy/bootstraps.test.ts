// The two bootstraps of deploy/envoy: as write.ts writes them, and different only where their modes are.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { chartFiles, chartFilesFolder } from "../../deploy/envoy/chart-files.ts";
import { configFiles, renderEnvoyConfig } from "../../deploy/envoy/write.ts";
import { type ConfigNode, envoyFolder, modes } from "../support/envoy-config.ts";

for (const mode of modes) {
  const file = configFiles[mode];
  test(`${file} is what write.ts writes (node deploy/envoy/write.ts)`, () => {
    assert.equal(readFileSync(join(envoyFolder, file), "utf8"), renderEnvoyConfig(mode));
  });
}

for (const [name, text] of chartFiles()) {
  test(`the chart's ${name} is what deploy/envoy has (npm run envoy-configs)`, () => {
    assert.equal(readFileSync(join(chartFilesFolder, name), "utf8"), text);
  });
}

/** Leaves of the configuration by their path, with what tells the modes apart replaced. */
function leaves(value: unknown, path: string, found: Map<string, unknown>): Map<string, unknown> {
  if (typeof value !== "object" || value === null) {
    const text = String(value).replace(/envoy\.filters\.http\.ext_authz(?=:)/, "aliasguard");
    return found.set(path, typeof value === "string" ? text : value);
  }
  for (const [name, child] of Object.entries(value)) leaves(child, `${path}/${name}`, found);
  return found;
}

function without(mode: (typeof modes)[number]): ReadonlyMap<string, unknown> {
  const config: ConfigNode = parse(renderEnvoyConfig(mode));
  const all = leaves(config, "", new Map());
  const differing = [
    /\/http_filters\//,
    /\/local_reply_config\//,
    /\/route_config\/virtual_hosts\/0\/routes\//,
    /\/clusters\/2\//,
  ];
  return new Map([...all].filter(([path]) => !differing.some((one) => one.test(path))));
}

test("the bootstraps differ in filters, routes, local replies and the cluster of what is not authorized alone", () => {
  const [authz, proc] = modes.map(without);
  assert.deepEqual(authz, proc);
  assert.ok((authz?.size ?? 0) > 60, String(authz?.size));
});

test("the bootstraps forward by the same route, and fail closed", () => {
  for (const mode of modes) {
    const text = renderEnvoyConfig(mode);
    assert.ok(text.includes("{name: x-model, present_match: true}"), mode);
    assert.ok(text.includes("failure_mode_allow: false"), mode);
    assert.ok(text.includes("status_on_error: {code: ServiceUnavailable}"), mode);
    assert.equal(text.match(/^ +route: {cluster: backend/gm)?.length, 1, mode);
  }
});
