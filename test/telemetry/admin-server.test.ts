// Tests of the admin server over a real socket.

import assert from "node:assert/strict";
import { request } from "node:http";
import { type TestContext, test } from "node:test";
import {
  type AdminDeps,
  createAdminServer,
  type Readiness,
} from "../../src/telemetry/admin-server.ts";

const ready: Readiness = {
  ready: true,
  revision: "0123456789abcdef",
  policyAgeSeconds: 1.5,
  sourceHealthy: true,
  lastError: undefined,
};

async function start(
  t: TestContext,
  more: Partial<AdminDeps> = {},
): Promise<{ readonly address: string; readonly errors: readonly unknown[] }> {
  const errors: unknown[] = [];
  const server = createAdminServer({
    readiness: () => ready,
    metricsText: async () => "a_metric 1\n",
    metricsContentType: "text/plain; version=0.0.4",
    reportError: (error) => errors.push(error),
    ...more,
  });
  t.after(() => server.stop());
  return { address: await server.listen("127.0.0.1:0"), errors };
}

type Answer = {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly allow: string | undefined;
  readonly body: string;
};

function ask(address: string, method: string, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(`http://${address}`, { method, path, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => {
        const { "content-type": type, allow } = response.headers;
        resolve({ status: response.statusCode, type, allow, body });
      });
    });
    sent.on("error", reject).end();
  });
}

test("createAdminServer answers its three paths and 404 for any other", async (t) => {
  const { address } = await start(t);
  assert.match(address, /^127\.0\.0\.1:[1-9]\d*$/);
  const health = await ask(address, "GET", "/healthz");
  assert.deepEqual([health.status, health.type, health.body], [200, "text/plain", "ok\n"]);
  const metrics = await ask(address, "GET", "/metrics?name=x");
  assert.deepEqual([metrics.status, metrics.body], [200, "a_metric 1\n"]);
  assert.equal(metrics.type, "text/plain; version=0.0.4");
  for (const path of ["/", "/readyz/", "/METRICS", "//metrics", "/__proto__", "/../metrics"]) {
    assert.equal((await ask(address, "GET", path)).status, 404, path);
  }
});

test("createAdminServer says in JSON whether it is ready and why not", async (t) => {
  let readiness = ready;
  const { address } = await start(t, { readiness: () => readiness });
  const good = await ask(address, "GET", "/readyz");
  assert.deepEqual([good.status, good.type], [200, "application/json"]);
  assert.deepEqual(JSON.parse(good.body), {
    ready: true,
    revision: "0123456789abcdef",
    policyAgeSeconds: 1.5,
    sourceHealthy: true,
  });
  readiness = { ...ready, sourceHealthy: false, lastError: "bad edit" };
  const kept = await ask(address, "GET", "/readyz");
  assert.equal(kept.status, 200);
  assert.deepEqual(JSON.parse(kept.body), {
    ...ready,
    sourceHealthy: false,
    lastError: "bad edit",
  });
  readiness = { ...readiness, ready: false };
  assert.equal((await ask(address, "GET", "/readyz")).status, 503);
});

test("createAdminServer answers HEAD without a body and refuses other methods", async (t) => {
  const { address } = await start(t);
  for (const path of ["/healthz", "/readyz", "/metrics"]) {
    const head = await ask(address, "HEAD", path);
    assert.deepEqual([head.status, head.body], [200, ""], path);
  }
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    const refused = await ask(address, method, "/metrics");
    assert.deepEqual([refused.status, refused.allow, refused.body], [405, "GET, HEAD", ""]);
  }
});

test("createAdminServer reports what fails, answers 500, and goes on", async (t) => {
  const failure = new Error("no metrics");
  const { address, errors } = await start(t, { metricsText: () => Promise.reject(failure) });
  assert.equal((await ask(address, "GET", "/metrics")).status, 500);
  assert.deepEqual(errors, [failure]);
  assert.equal((await ask(address, "GET", "/healthz")).status, 200);
});

test("listen rejects with the address when it is in use, and stop works without listen", async (t) => {
  const { address } = await start(t);
  await assert.rejects(startAt(address), {
    message: new RegExp(`^cannot listen on ${address}: .*EADDRINUSE`),
  });
});

async function startAt(address: string): Promise<void> {
  const server = createAdminServer({
    readiness: () => ready,
    metricsText: async () => "",
    metricsContentType: "text/plain",
    reportError: () => {},
  });
  try {
    await server.listen(address);
  } finally {
    await server.stop();
  }
}
