// The Envoy that the chart renders (gateway.type envoy), run: an alias is enforced, in both modes, as with the shipped files.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createHelm, readYaml } from "../helm/run-helm.ts";
import { startEchoBackend } from "../support/echo-backend.ts";
import type { ConfigNode } from "../support/envoy-config.ts";
import { getHelm } from "../support/get-helm.ts";
import { call } from "../support/http-client.ts";
import { PolicyFolder } from "../support/policy-files.ts";
import { requirement } from "../support/requirements.ts";
import { startAuthorizer } from "../support/start-authorizer.ts";
import { startEnvoy } from "../support/start-envoy.ts";
import {
  alice,
  assertExact,
  binary,
  chat,
  manifests,
  path,
  Stack,
  skip,
  stranger,
  target,
} from "../support/start-stack.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const helmPath = await requirement(() => getHelm());

/** The rendered bootstrap with loopback addresses in place of the cluster's names. */
async function renderedConfig(mode: string, ports: Readonly<Record<string, number>>) {
  const helm = createHelm(helmPath.value ?? "");
  try {
    const gateway = {
      type: "envoy",
      mode,
      routes: [{ model: "openrouter/*", service: "backend", port: 80 }],
      unchecked: { service: "backend", port: 80 },
    };
    const objects = await helm.template({
      gateway,
      settings: { uncheckedRoutes: ["GET /v1/files"] },
    });
    const { data } = objects.find(({ kind }) => kind === "ConfigMap") as unknown as {
      readonly data: Readonly<Record<string, string>>;
    };
    const text = (data["envoy.yaml"] ?? "")
      .replaceAll(
        /address: agt-aliasguard\.apps\.svc\.cluster\.local\n(\s+)port_value: 9191/g,
        `address: 127.0.0.1\n$1port_value: ${ports["authorizer"]}`,
      )
      .replaceAll(
        /address: backend\.apps\.svc\.cluster\.local\n(\s+)port_value: 80/g,
        `address: 127.0.0.1\n$1port_value: ${ports["backend"]}`,
      )
      .replaceAll(/port_value: (10000|10001|9901)\b/g, "port_value: 0")
      .replaceAll("address: 0.0.0.0", "address: 127.0.0.1");
    assert.ok(!text.includes("svc.cluster.local"), "a name of the cluster is left");
    return readYaml(text) as ConfigNode;
  } finally {
    helm.remove();
  }
}

for (const mode of ["extProc", "extAuthz"]) {
  describe(`the chart's Envoy, ${mode}`, { skip: skip || helmPath.skip }, () => {
    let stack: Stack;
    before(async () => {
      const folder = createTempFolder("policy");
      const policy = new PolicyFolder(folder.path);
      policy.write("policy.yaml", manifests);
      const backend = await startEchoBackend();
      const args = ["--unchecked-routes", "GET /v1/files"];
      const authorizer = await startAuthorizer({ policy: policy.path, args });
      const config = await renderedConfig(mode, {
        authorizer: authorizer.port,
        backend: backend.port,
      });
      const envoy = await startEnvoy(binary, config);
      stack = new Stack({ backend, authorizer, envoy, policy }, () => folder.remove());
    });
    after(() => stack?.stop());

    it("sends an alias's model to its backend, and changes no other byte", async () => {
      const sent = chat("AgentX-LLM");
      const answer = await stack.ask(alice.value, sent);
      assert.equal(answer.status, 200, answer.body);
      assertExact(stack, sent);
    });

    it("refuses what is not granted, a stranger, and a model that the caller wrote into the header", async () => {
      const received = stack.backend.received.length;
      const spoofed = [["x-model", target]] as const;
      assert.equal((await stack.ask(alice.value, chat("vendor/other"), spoofed)).status, 403);
      assert.equal((await stack.ask(stranger.value, chat(target), spoofed)).status, 401);
      assert.equal(stack.backend.received.length, received);
    });

    it("lets an unchecked route through, and no other path", async () => {
      const { port } = stack.envoy;
      const headers = [["authorization", `Bearer ${alice.value}`]] as const;
      // The echo backend knows no files; that it was asked is what counts.
      await call({ port, path: "/v1/files", headers });
      assert.equal(stack.last().path, "/v1/files");
      assert.equal(stack.last().headers["x-aliasguard-unchecked"], "GET /v1/files");
      assert.equal((await call({ port, path: "/v1/batches", headers })).status, 404);
    });

    it("answers in the caller's words where Envoy answers by itself", async () => {
      const { port } = stack.envoy;
      const body = chat("AgentX-LLM", "x".repeat(34_000_000));
      const headers = [
        ["authorization", `Bearer ${alice.value}`],
        ["content-type", "application/json"],
      ] as const;
      const answer = await call({ port, path, headers, body });
      assert.equal(answer.status, 413);
      assert.match(answer.body, /"code":"request_too_large"/);
    });
  });
}
