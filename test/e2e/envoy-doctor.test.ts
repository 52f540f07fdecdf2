// The doctor on what a running Envoy tells of itself: nothing against the shipped configurations, and what was broken is named.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { diagnose } from "../../src/doctor/doctor.ts";
import { as, type Json } from "../doctor/mutilations.ts";
import { envoyConfig, modes, places } from "../support/envoy-config.ts";
import { getEnvoy } from "../support/get-envoy.ts";
import { requirement } from "../support/requirements.ts";
import { startEnvoy } from "../support/start-envoy.ts";

const binary = await requirement(() => getEnvoy());

const expected = {
  bodyBytesMax: 32 * 1024 * 1024,
  modelHeaders: ["x-model"],
  editsBodies: true,
  authorizerCluster: undefined,
};

/** What an Envoy with this configuration says at /config_dump. */
async function dumpOf(config: Json): Promise<unknown> {
  const envoy = await startEnvoy(binary.value ?? "", config);
  try {
    const response = await fetch(`http://127.0.0.1:${envoy.adminPort}/config_dump?include_eds`);
    return await response.json();
  } finally {
    await envoy.stop();
  }
}

describe("the doctor on a running Envoy's config_dump", { skip: binary.skip }, () => {
  for (const mode of modes) {
    const config = (): Json =>
      envoyConfig([places({ authorizers: [9191], backendPort: 4000 })], mode) as Json;

    it(`finds nothing in the shipped configuration of ${mode}`, async () => {
      const found = diagnose(await dumpOf(config()), expected);
      const left = found?.findings.filter(({ code }) => code !== "splice_unseen");
      assert.deepEqual(left, []);
      assert.deepEqual(found?.guarded, ["main"]);
    });

    it(`names what is broken in that of ${mode}`, async () => {
      const broken = config();
      const listeners = as(broken["static_resources"])["listeners"] as Json[];
      const chain = as((as(listeners[0])["filter_chains"] as Json[])[0]);
      const manager = as(as((chain["filters"] as Json[])[0])["typed_config"]);
      const filters = manager["http_filters"] as Json[];
      const check = as(filters.find((each) => each["name"] === `envoy.filters.http.${mode}`));
      as(check["typed_config"])["failure_mode_allow"] = true;
      delete manager["early_header_mutation_extensions"];
      const codes = diagnose(await dumpOf(broken), expected)?.findings.map(({ code }) => code);
      assert.ok(codes?.includes("failures_allowed"), String(codes));
      assert.ok(codes?.includes("model_header_not_removed"), String(codes));
    });
  }
});
