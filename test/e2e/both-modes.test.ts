// A sample of test/cases through two real Envoys at once, one with ext_authz and one with ext_proc, in front of the same
// authorizer: callers and backend see the same of both, and what the decision says.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, before, describe, it } from "node:test";
import { type Case, type CaseFile, readCaseFiles } from "../cases/case-files.ts";
import { bytesOf, type Outcome, outcomeOfDecision } from "../cases/outcome.ts";
import { decideCase, isForProcess } from "../cases/runners.ts";
import {
  type EchoBackend,
  type ReceivedRequest,
  startEchoBackend,
} from "../support/echo-backend.ts";
import { envoyConfig, modes, places, procChanges } from "../support/envoy-config.ts";
import { call } from "../support/http-client.ts";
import { PolicyFolder } from "../support/policy-files.ts";
import { startAuthorizer } from "../support/start-authorizer.ts";
import { type Envoy, startEnvoy } from "../support/start-envoy.ts";
import { binary, skip } from "../support/start-stack.ts";
import { createTempFolder } from "../support/temp-folder.ts";

/** Cases taken of each file, spread over it. */
const perFileMax = 60;
/** Fewer compared ones would mean that something keeps them from being asked. */
const comparedMin = 250;

/** What Envoy or this client says itself. */
const ownHeaders = /^(date|server|connection|transfer-encoding|content-length|host|x-request-id)$/;
const addedHeaders = /^(x-envoy-.*|x-forwarded-.*)$/;
const framing = ["content-length", "transfer-encoding", "connection", "expect", "host", "upgrade"];

/** Whether a caller can send it, and time and lots do not decide on it. */
function isAskable(file: CaseFile, each: Case): boolean {
  const { request, flags } = each;
  if (flags.length > 0 || file.policy === undefined || !isForProcess(each)) return false;
  // This client writes methods in capitals, and no others than tokens.
  if (!/^[A-Z]+$/.test(request.method)) return false;
  const names = [...request.headers.keys()];
  if (names.some((name) => framing.includes(name) || !/^[a-z0-9-]+$/.test(name))) return false;
  if ([...request.headers.values()].some((value) => !/^[\x20-\x7e]*$/.test(value))) return false;
  if (!/^\/[\x21-\x7e]*$/.test(request.path) || request.path.includes("#")) return false;
  const [first, ...others] = [
    { nowMs: Date.now(), draw: 0 },
    { nowMs: Date.now(), draw: 0.999 },
    { nowMs: each.nowMs, draw: each.draw },
  ].map((context) => JSON.stringify(outcomeOf(file, { ...each, ...context })));
  return others.every((other) => other === first);
}

function outcomeOf(file: CaseFile, each: Case): Outcome {
  return outcomeOfDecision(decideCase(each, file.policy?.policy.snapshot), each.request);
}

function spread<T>(all: readonly T[], most: number): readonly T[] {
  const step = Math.max(1, all.length / most);
  return all.filter((_, at) => Math.floor(at / step) !== Math.floor((at - 1) / step));
}

type Seen = {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  readonly backend: object | undefined;
};

/** A free loopback port, the same for each authorizer in turn. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

describe("the cases through two Envoys", { skip }, () => {
  let backend: EchoBackend;
  let envoys: readonly Envoy[];
  let port: number;
  let compared = 0;
  before(async () => {
    backend = await startEchoBackend();
    port = await freePort();
    const where = places({ authorizers: [port], backendPort: backend.port });
    const config = [where, procChanges.healthChecksLeftOut];
    envoys = await Promise.all(modes.map((mode) => startEnvoy(binary, envoyConfig(config, mode))));
  });
  after(async () => {
    for (const envoy of envoys) await envoy.stop();
    await backend.stop();
  });

  async function ask(envoy: Envoy, { request }: Case): Promise<Seen> {
    const before = backend.received.length;
    const headers = [...request.headers];
    const { method, path, body } = request;
    const sent = body.kind === "none" ? {} : { body: bytesOf(body) };
    const answer = await call({ port: envoy.port, method, path, headers, ...sent });
    const kept = [...answer.headers].filter(([name]) => !ownHeaders.test(name));
    const received = backend.received.slice(before);
    assert.ok(received.length <= 1);
    const [one] = received;
    const told = kept.filter(([name]) => !addedHeaders.test(name)).sort();
    const seen = { status: answer.status, headers: new Map(told), body: answer.body };
    return { ...seen, backend: one && backendView(one) };
  }

  async function compare(file: CaseFile, each: Case): Promise<void> {
    const seen: Seen[] = [];
    for (const envoy of envoys) seen.push(await ask(envoy, each));
    const [authz, proc] = seen;
    assert.deepEqual(proc, authz, each.name);
    assertWanted(authz, outcomeOf(file, each), each);
    compared += 1;
  }

  for (const file of readCaseFiles()) {
    const sample = spread(
      file.cases.filter((each) => isAskable(file, each)),
      perFileMax,
    );
    it(`give one answer to ${sample.length} cases of ${file.file}`, async () => {
      if (sample.length === 0) return;
      const folder = createTempFolder("policy");
      new PolicyFolder(folder.path).writeText("policy.yaml", file.manifestText);
      const listen = [`127.0.0.1:${port}`];
      const authorizer = await startAuthorizer({ policy: folder.path, listen });
      try {
        for (const each of sample) await compare(file, each);
      } finally {
        await authorizer.stop();
        folder.remove();
      }
    });
  }

  it("are enough of them", () => {
    assert.ok(compared >= comparedMin, String(compared));
  });
});

function backendView({ method, path, headers, body }: ReceivedRequest): object {
  const kept = Object.entries(headers).filter(
    ([name]) => !ownHeaders.test(name) && !addedHeaders.test(name),
  );
  return { method, path, headers: new Map(kept.sort()), body: body.toString("latin1") };
}

function assertWanted(seen: Seen | undefined, wanted: Outcome, { name, request }: Case): void {
  assert.ok(seen !== undefined);
  // Envoy normalizes some paths before they are decided on: then both agree with each other only.
  const [path = ""] = request.path.split("?", 1);
  if (/\/\.|%|\\|\/\//.test(path)) return;
  if ("backend" in wanted) {
    assert.ok(seen.backend !== undefined && "body" in seen.backend, `${name}: ${seen.body}`);
    assert.equal(seen.backend.body, wanted.backend.body, name);
    return;
  }
  assert.equal(seen.backend, undefined, name);
  assert.equal(seen.status, wanted.status, `${name}: ${seen.body}`);
  if (request.method !== "HEAD") assert.equal(seen.body, wanted.body, name);
}
