// deploy/envoy through the real Envoy, without an authorizer: the configuration is valid as it stands and with every
// fault the other tests put into it, and whatever is asked, nothing goes through while nobody authorizes.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, before, describe, it } from "node:test";
import { type EchoBackend, startEchoBackend } from "../support/echo-backend.ts";
import {
  type ConfigChange,
  changes,
  envoyConfig,
  type Mode,
  modes,
  places,
  procChanges,
} from "../support/envoy-config.ts";
import { getEnvoy } from "../support/get-envoy.ts";
import { call } from "../support/http-client.ts";
import { requirement } from "../support/requirements.ts";
import { type Envoy, startEnvoy } from "../support/start-envoy.ts";

const found = await requirement(() => getEnvoy());
const binary = found.value ?? "";
const skip = found.skip;
const chat = '{"model":"AgentX-LLM","messages":[]}';
const json = ["content-type", "application/json"] as const;

/** A port of 127.0.0.1 on which nobody listens. */
function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** Envoy in front of this backend, with an authorizer that is not there. */
async function startAlone(
  backend: EchoBackend,
  more: readonly ConfigChange[],
  mode: Mode = "ext_authz",
): Promise<Envoy> {
  const where = places({ authorizers: [await freePort()], backendPort: backend.port });
  return startEnvoy(binary, envoyConfig([where, ...more], mode));
}

const named = (all: Readonly<Record<string, ConfigChange>>) =>
  Object.entries(all).map(([name, change]) => [name, [change]] as const);
const variants: readonly (readonly [string, readonly ConfigChange[], Mode])[] = [
  ["as shipped", [], "ext_authz"],
  ...named(changes).map((each) => [...each, "ext_authz"] as const),
  ["ext_proc as shipped", [], "ext_proc"],
  ...named(procChanges).map(([name, more]) => [`ext_proc ${name}`, more, "ext_proc"] as const),
];

describe("each bootstrap", { skip }, () => {
  let backend: EchoBackend;
  before(async () => {
    backend = await startEchoBackend();
  });
  after(() => backend.stop());

  for (const [name, more, mode] of variants) {
    it(`is taken by Envoy without a complaint: ${name}`, async () => {
      const envoy = await startAlone(backend, more, mode);
      const findings = envoy.findings();
      await envoy.stop();
      assert.deepEqual(findings.filter(isFinding), []);
    });
  }

  it("is refused by Envoy when a filter has a field that does not exist", async () => {
    const text = JSON.stringify(envoyConfig([]));
    const broken = text.replace('"clear_route_cache"', '"clear_route_cash"');
    assert.notEqual(broken, text);
    await assert.rejects(startEnvoy(binary, JSON.parse(broken)), /clear_route_cash/);
  });
});

/** Every Envoy says this one line; anything else is about our configuration. */
function isFinding(line: string): boolean {
  return !line.includes("There is no configured limit to the number of allowed active");
}

interface Envelope {
  readonly path: string;
  readonly body: unknown;
}

const unavailable = "Authorization is unavailable. Try again.";
const openaiUnavailable = {
  error: {
    code: "authorization_unavailable",
    message: unavailable,
    param: null,
    type: "api_error",
  },
};
const anthropicUnavailable = {
  type: "error",
  error: { type: "overloaded_error", message: unavailable, code: "authorization_unavailable" },
};
const geminiUnavailable = {
  error: {
    code: 503,
    message: unavailable,
    status: "UNAVAILABLE",
    details: [{ reason: "authorization_unavailable" }],
  },
};
const ollamaUnavailable = { error: unavailable, code: "authorization_unavailable" };
const envelopes: readonly Envelope[] = [
  { path: "/v1/chat/completions", body: openaiUnavailable },
  { path: "/v1/messages", body: anthropicUnavailable },
  { path: "/v1/messages/count_tokens?beta=true", body: anthropicUnavailable },
  { path: "/messages", body: anthropicUnavailable },
  { path: "/api/chat", body: ollamaUnavailable },
  { path: "/v1beta/models/gemini-2.5-flash:generateContent", body: geminiUnavailable },
  { path: "/v1/models/a/b:embedContent?key=x", body: geminiUnavailable },
  { path: "/openai/deployments/x/chat/completions", body: openaiUnavailable },
  { path: "/v1/messagesx", body: openaiUnavailable },
  { path: "/aliasguard-rewrite-pending/v1/messages", body: anthropicUnavailable },
];

for (const mode of modes) {
  describe(`Envoy with ${mode} without an authorizer`, { skip }, () => withoutAuthorizer(mode));
}

function withoutAuthorizer(mode: Mode): void {
  let backend: EchoBackend;
  let running: Envoy;
  before(async () => {
    backend = await startEchoBackend();
    running = await startAlone(backend, [], mode);
  });
  after(async () => {
    await running.stop();
    await backend.stop();
  });

  for (const { path, body } of envelopes) {
    if (mode === "ext_proc" && path.startsWith("/aliasguard-rewrite-pending")) continue;
    it(`answers 503 in the caller's dialect on ${path} and sends nothing on`, async () => {
      const headers = [json, ["x-model", "gpt-spoofed"]] as const;
      const answer = await call({ port: running.port, path, headers, body: chat });
      assert.equal(answer.status, 503);
      assert.deepEqual(JSON.parse(answer.body), body);
      assert.equal(answer.headers.get("content-type"), "application/json");
      assert.equal(answer.headers.get("retry-after"), "1");
      assert.equal(backend.received.length, 0);
    });
  }

  it("answers as JSON to a body over its limit", async () => {
    const body = Buffer.alloc(33_700_000, "a");
    const path = "/v1/chat/completions";
    const answer = await call({ port: running.port, path, headers: [json], body });
    const { code } = JSON.parse(answer.body).error;
    // An ext_proc that is not there may be noticed first: it is asked of the headers.
    if (mode === "ext_authz") assert.deepEqual([answer.status, code], [413, "request_too_large"]);
    else
      assert.ok(
        ["413 request_too_large", "503 authorization_unavailable"].includes(
          `${answer.status} ${code}`,
        ),
      );
    assert.equal(backend.received.length, 0);
  });

  it("refuses a header with an underscore", async () => {
    const headers = [json, ["x_model", "gpt-spoofed"]] as const;
    const path = "/v1/chat/completions";
    const answer = await call({ port: running.port, path, headers, body: chat });
    assert.equal(answer.status, 400);
    assert.equal(backend.received.length, 0);
  });

  it("makes Envoy complain of nothing but the authorizer's absence", () => {
    const isAbsence = (line: string): boolean => line.includes("Received gRPC error on stream: 14");
    const findings = running.findings().filter((line) => isFinding(line) && !isAbsence(line));
    assert.deepEqual(findings, []);
  });
}

describe("envoy.yaml with failure_mode_allow and no authorizer", { skip }, () => {
  let backend: EchoBackend;
  let running: Envoy;
  before(async () => {
    backend = await startEchoBackend();
    running = await startAlone(backend, [changes.failureModeAllow]);
  });
  after(async () => {
    await running.stop();
    await backend.stop();
  });

  it("still sends nothing on, because nobody named a model", async () => {
    const headers = [json, ["x-model", "gpt-spoofed"]] as const;
    const path = "/v1/chat/completions";
    const answer = await call({ port: running.port, path, headers, body: chat });
    assert.equal(answer.status, 503);
    assert.equal(JSON.parse(answer.body).error.code, "not_authorized");
    assert.equal(backend.received.length, 0);
  });

  it("answers 500 on the path of a body that waits for its edits", async () => {
    const path = "/aliasguard-rewrite-pending/v1/chat/completions";
    const answer = await call({ port: running.port, path, headers: [json], body: chat });
    assert.equal(answer.status, 500);
    assert.equal(JSON.parse(answer.body).error.code, "rewrite_failed");
    assert.equal(backend.received.length, 0);
  });
});
