// The stack of deploy/envoy/compose.yaml and its LiteLLM: the version that tests run, a master key that aliasguard puts in
// and callers never see, and nothing by which LiteLLM would choose another model.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { defaultCredential } from "../../src/core/upstream-credential.ts";
import { settingRows } from "../../src/settings/settings.ts";
import { envoyFolder } from "../support/envoy-config.ts";
import { litellmVersion, litellmVersions } from "../support/get-litellm.ts";

const text = readFileSync(join(envoyFolder, "compose.yaml"), "utf8");
const { services, secrets } = parse(text);
const litellm = parse(readFileSync(join(envoyFolder, "litellm.yaml"), "utf8"));

test("compose.yaml runs the LiteLLM and the Envoy of the tests", () => {
  assert.ok(text.includes(`"litellm[proxy]==${litellmVersion}"`));
});

test("compose.yaml gives LiteLLM's master key to aliasguard, as every backend's credential", () => {
  const { command, secrets: mounted } = services.aliasguard;
  const flags = new Set<string>(settingRows.map(({ flag }) => flag));
  for (const flag of command.slice(1)) {
    const name = /^--([a-z-]+)=/.exec(flag)?.[1] ?? flag;
    assert.ok(flags.has(name) || name === "policy", flag);
  }
  assert.ok(command.includes("--upstream-credentials=/run/secrets"));
  const [{ source, target }] = mounted;
  assert.equal(target, defaultCredential.name);
  assert.equal(secrets[source].environment, "LITELLM_MASTER_KEY");
  assert.match(services.litellm.environment.LITELLM_MASTER_KEY, /^\$\{LITELLM_MASTER_KEY:\?/);
  assert.equal(litellm.general_settings.master_key, "os.environ/LITELLM_MASTER_KEY");
});

test("litellm.yaml leaves LiteLLM no choice", () => {
  const { router_settings: router, general_settings: general, ...rest } = litellm;
  assert.deepEqual(router.fallbacks, []);
  assert.deepEqual(router.context_window_fallbacks, []);
  assert.deepEqual(router.content_policy_fallbacks, []);
  assert.deepEqual(router.model_group_alias, {});
  assert.equal(router.enable_tag_filtering, false);
  assert.deepEqual(Object.keys(general), ["master_key"]);
  assert.deepEqual(Object.keys(rest).sort(), ["litellm_settings", "model_list"]);
  for (const { litellm_params: params } of litellm.model_list) {
    assert.doesNotMatch(params.model, /^auto_router\//);
  }
});

test("every LiteLLM of the tests is pinned with all its packages", () => {
  for (const version of litellmVersions) {
    const file = join(import.meta.dirname, "../support/litellm", `${version}.txt`);
    const lines = readFileSync(file, "utf8").trim().split("\n");
    assert.ok(lines.includes(`litellm==${version}`), version);
    assert.ok(lines.length > 50, String(lines.length));
    for (const line of lines) assert.match(line, /^[\w.-]+==[\w.+!-]+$/, line);
  }
});
