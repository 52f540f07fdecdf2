// The backend's own credential in place of the caller's key, through the real Envoy in both modes: the right one for each
// model, rotated without a restart, and in no log, metric or answer.

import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { runCheck } from "../../src/commands/check/check.ts";
import { recordOutput } from "../commands/output-recorder.ts";
import { type EchoBackend, startEchoBackend } from "../support/echo-backend.ts";
import { envoyConfig, modes, places } from "../support/envoy-config.ts";
import { call, type HttpAnswer } from "../support/http-client.ts";
import { mintSecret, PolicyFolder } from "../support/policy-files.ts";
import { type Authorizer, startAuthorizer } from "../support/start-authorizer.ts";
import { type Envoy, startEnvoy } from "../support/start-envoy.ts";
import { binary, path, skip } from "../support/start-stack.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const caller = mintSecret();
const values = {
  openrouter: "sk-or-v1-first",
  "vllm.key": "vllm-secret-1",
  default: "sk-litellm-1",
};

function model(name: string, upstreamCredential?: object) {
  return { kind: "Model", name, spec: { name, upstreamCredential } } as const;
}

for (const mode of modes) {
  describe(`a backend's credential over ${mode}`, { skip }, () => {
    const folder = createTempFolder("upstream-credentials");
    const policyFolder = createTempFolder("policy");
    let backend: EchoBackend;
    let authorizer: Authorizer;
    let envoy: Envoy;

    before(async () => {
      const policy = new PolicyFolder(policyFolder.path);
      policy.write("policy.yaml", [
        model("routed", { name: "openrouter" }),
        model("local", { name: "vllm.key", header: "x-api-key" }),
        model("plain"),
        model("lost", { name: "nobody-has-it" }),
        { kind: "ModelAlias", name: "fast", spec: { alias: "fast", target: "routed" } },
        {
          kind: "VirtualKey",
          name: "alice",
          spec: { keyHash: caller.keyHash, grants: { models: ["*"] } },
        },
      ]);
      for (const [name, value] of Object.entries(values)) {
        await writeFile(join(folder.path, name), `${value}\n`);
      }
      backend = await startEchoBackend();
      const args = ["--upstream-credentials", folder.path];
      authorizer = await startAuthorizer({ policy: policy.path, args });
      const where = places({ authorizers: [authorizer.port], backendPort: backend.port });
      envoy = await startEnvoy(binary, envoyConfig([where], mode));
    });
    after(async () => {
      await envoy?.stop();
      await authorizer?.stop();
      await backend?.stop();
      folder.remove();
      policyFolder.remove();
    });

    function ask(name: string, carrier = "authorization"): Promise<HttpAnswer> {
      const value = carrier === "authorization" ? `Bearer ${caller.value}` : caller.value;
      const headers = [
        ["content-type", "application/json"],
        [carrier, value],
      ] as const;
      return call({ port: envoy.port, path, headers, body: JSON.stringify({ model: name }) });
    }

    /** The credentials that the backend got last. */
    function got(): Readonly<Record<string, unknown>> {
      const {
        authorization,
        "x-api-key": apiKey,
        "api-key": azureKey,
      } = backend.received.at(-1)?.headers ?? {};
      return { authorization, apiKey, azureKey };
    }

    it("is that of the model, where its backend wants it", async () => {
      const none = { authorization: undefined, apiKey: undefined, azureKey: undefined };
      for (const carrier of ["authorization", "x-api-key", "api-key"]) {
        assert.equal((await ask("fast", carrier)).status, 200);
        assert.deepEqual(got(), { ...none, authorization: `Bearer ${values.openrouter}` });
        assert.equal((await ask("local", carrier)).status, 200);
        assert.deepEqual(got(), { ...none, apiKey: values["vllm.key"] });
        assert.equal((await ask("plain", carrier)).status, 200);
        assert.deepEqual(got(), { ...none, authorization: `Bearer ${values.default}` });
      }
    });

    it("is wanted: a model whose credential is not there is refused", async () => {
      const before = backend.received.length;
      const answer = await ask("lost");
      assert.equal(answer.status, 503);
      assert.equal(JSON.parse(answer.body).error.code, "upstream_credential_missing");
      assert.equal(backend.received.length, before);
    });

    it("is rotated without a restart, and gone once its file is", async () => {
      await writeFile(join(folder.path, "openrouter"), "sk-or-v1-second");
      for (let tries = 0; tries < 100; tries++) {
        assert.equal((await ask("routed")).status, 200);
        if (got()["authorization"] === "Bearer sk-or-v1-second") break;
        await sleep(100);
      }
      assert.equal(got()["authorization"], "Bearer sk-or-v1-second");
      await rm(join(folder.path, "openrouter"));
      let status = 200;
      for (let tries = 0; tries < 100 && status === 200; tries++) {
        ({ status } = await ask("routed"));
        await sleep(100);
      }
      assert.equal(status, 503);
    });

    it("stands in no log, no metric and no answer of check", async () => {
      const output = recordOutput();
      const address = `127.0.0.1:${authorizer.port}`;
      for (const more of [[], ["--json"]]) {
        const args = ["--server", address, "--key", caller.value, "--model", "local", ...more];
        assert.equal(await runCheck(args, { ...output, env: {} }), 0);
      }
      const { stdout } = output.printed();
      assert.match(stdout, /^sets +x-api-key: \(hidden\)$/m);
      const metrics = await (
        await fetch(`http://127.0.0.1:${authorizer.adminPort}/metrics`)
      ).text();
      const logs = [...authorizer.log(), ...authorizer.strayLines(), ...(await envoy.accessLog())];
      const text = [stdout, metrics, ...logs.map((line) => JSON.stringify(line))].join("\n");
      assert.ok(text.includes("upstream credentials loaded"));
      for (const value of [...Object.values(values), "sk-or-v1-second", caller.value]) {
        assert.ok(!text.includes(value), value);
      }
    });
  });
}
