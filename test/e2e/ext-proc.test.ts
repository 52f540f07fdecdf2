// envoy-ext-proc.yaml through the real Envoy: other configurations than the shipped one, spoofed headers, and an authorizer
// that is hung, dead, restarted or overloaded. How streams end is tested in ext-proc-streams, sizes in body-sizes.

import assert from "node:assert/strict";
import { type ClientHttp2Stream, connect } from "node:http2";
import { connect as connectTcp } from "node:net";
import { after, before, describe, it } from "node:test";
import {
  bufferLimit,
  type ConfigChange,
  envoyConfig,
  messageTimeout,
  places,
  procChanges,
} from "../support/envoy-config.ts";
import { call, type HttpAnswer } from "../support/http-client.ts";
import { type Authorizer, startAuthorizer } from "../support/start-authorizer.ts";
import { type Envoy, startEnvoy } from "../support/start-envoy.ts";
import {
  alice,
  assertExact,
  binary,
  chat,
  namedOnly,
  path,
  Stack,
  skip,
  stranger,
  target,
} from "../support/start-stack.ts";

const json = ["content-type", "application/json"] as const;
const bearer = (secret: string): readonly [string, string] => ["authorization", `Bearer ${secret}`];
const spoof = [["x-model", target]] as const;

describe("Envoy with ext_proc as shipped", { skip }, () => {
  let stack: Stack;
  before(async () => {
    stack = await Stack.start([], "ext_proc");
  });
  after(() => stack.stop());

  it("checks a request for which no route forwards, and whose x-model is the caller's", async () => {
    const headers = [json, bearer(stranger.value), ...spoof] as const;
    const { port } = stack.envoy;
    const answers = [
      await call({ port, path: "/nothing", headers }),
      await call({ port, path: "/v2/chat/completions", headers, body: chat(target) }),
      await call({ port, path: "/v1/models", headers }),
    ];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [404, 404, 401],
    );
    assert.equal(stack.backend.received.length, 0);
  });

  it("hands on no routing header and no credential, Envoy's own header among them", async () => {
    const headers = [
      json,
      ["x-api-key", alice.value],
      ["x-model", "gold"],
      ["x-envoy-original-path", "/v1/evil"],
      ["x-original-url", "/v1/evil"],
      ["x-aliasguard-team", "other"],
      ["x-envoy-auth-partial-body", "true"],
    ] as const;
    const { port } = stack.envoy;
    const answer = await call({ port, path, headers, body: chat("AgentX-LLM") });
    assert.equal(answer.status, 200, answer.body);
    const { headers: received } = stack.last();
    const names = ["x-model", "x-api-key", "x-envoy-original-path", "x-original-url"];
    assert.deepEqual(
      [...names, "x-aliasguard-team"].map((name) => received[name]),
      [target, undefined, undefined, undefined, "research"],
    );
  });

  it("refuses a request without a body, with an empty one, and with a compressed one", async () => {
    const ask = (body: string, more: readonly (readonly [string, string])[] = []) =>
      stack.ask(alice.value, body, more);
    const { port } = stack.envoy;
    const headers = [json, bearer(alice.value)] as const;
    const answers = [
      await call({ port, path, method: "POST", headers }),
      await ask(""),
      await ask("x", [["content-encoding", "gzip"]]),
      await stack.ask(alice.value, "", [], true),
    ];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [400, 400, 415, 400],
    );
  });

  it("sends the caller's query and every other byte of the path on", async () => {
    const { port } = stack.envoy;
    const headers = [json, ["x-api-key", alice.value]] as const;
    const url = "/v1/messages?beta=true";
    const answer = await call({ port, path: url, headers, body: chat("AgentX-LLM") });
    assert.equal(answer.status, 200, answer.body);
    assert.equal(stack.last().path, url);
  });

  it("logs the decision, and counts the stream as a healthy call", async () => {
    await stack.ask(alice.value, chat("AgentX-LLM"));
    await stack.ask(namedOnly.value, chat("AgentX-LLM"));
    const [allowed, denied] = (await stack.envoy.accessLog()).slice(-2);
    // Lines come through a pipe: those of earlier requests perhaps only now.
    const decisions = stack.authorizer.decisions().slice(-2);
    assert.deepEqual(
      decisions.map(({ decision, key, bodyBytes }) => [decision, key, Number(bodyBytes) > 50]),
      [
        ["allow", "alice", true],
        ["deny", "named-only", true],
      ],
    );
    assert.deepEqual(
      [allowed?.["decision"], allowed?.["model"], allowed?.["key"], allowed?.["path"]],
      ["allow", target, "alice", path],
    );
    assert.deepEqual(
      [denied?.["reason"], denied?.["details"]],
      ["model_not_granted", "aliasguard_model_forbidden"],
    );
    const metrics = await fetch(`http://127.0.0.1:${stack.authorizer.adminPort}/metrics`);
    const line = /^grpc_server_handled_total\{.*ExternalProcessor.*\} .*$/gm;
    const [counted = "", ...others] = (await metrics.text()).match(line) ?? [];
    assert.match(counted, /grpc_method="Process",grpc_code="OK"\} [0-9]+$/);
    assert.deepEqual(others, []);
  });

  it("logs no decision on a caller who goes before the body is whole", async () => {
    const before = stack.authorizer.decisions().length;
    const socket = connectTcp(stack.envoy.port, "127.0.0.1");
    const head = `content-type: application/json\r\nauthorization: Bearer ${alice.value}`;
    const request = `POST ${path} HTTP/1.1\r\nhost: a\r\n${head}\r\ncontent-length: 1000\r\n\r\n{"model":`;
    await new Promise((resolve) => socket.write(request, resolve));
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.destroy();
    assert.equal((await stack.ask(alice.value, chat(target))).status, 200);
    assert.equal(stack.authorizer.decisions().length, before + 1);
  });

  it("makes neither Envoy nor the authorizer complain", () => {
    const isFinding = (line: string): boolean => !line.includes("There is no configured limit");
    assert.deepEqual(stack.envoy.findings().filter(isFinding), []);
    assert.deepEqual(stack.authorizer.strayLines(), []);
  });
});

const serving: readonly (readonly [string, ConfigChange])[] = [
  ["without health checks", procChanges.healthChecksLeftOut],
  ["with headers with underscores dropped", procChanges.dropUnderscores],
  ["with metadata that it does not take", procChanges.metadataRefused],
  ["with trailers sent", procChanges.trailersSent],
  ["with no mode override allowed", procChanges.modeOverrideForbidden],
  ["without mutation rules", procChanges.mutationRulesLeftOut],
];

for (const [name, change] of serving) {
  describe(`Envoy with ext_proc ${name}`, { skip }, () => {
    let stack: Stack;
    before(async () => {
      stack = await Stack.start([change], "ext_proc");
    });
    after(() => stack.stop());

    it("serves the seed exactly", async () => {
      const sent = chat("AgentX-LLM");
      const answer = await stack.ask(alice.value, sent, spoof);
      assert.equal(answer.status, 200, answer.body);
      assertExact(stack, sent);
    });
  });
}

/** Modes in which Envoy would not hold the request until it is decided on. */
const refusing: readonly (readonly [string, ConfigChange, status: number, code: string])[] = [
  ["bodies streamed", procChanges.bodyStreamed, 500, "body_not_buffered"],
  ["bodies in full duplex", procChanges.bodyFullDuplex, 500, "body_not_buffered"],
  ["bodies sent in part", procChanges.bodyPartial, 500, "body_not_buffered"],
  ["bodies not sent", procChanges.bodyNone, 500, "body_not_buffered"],
  // They are on their way before the answer; the route refuses them.
  ["headers not sent", procChanges.headersSkipped, 503, "not_authorized"],
  ["answers not waited for", procChanges.observabilityMode, 503, "not_authorized"],
];

for (const [name, change, status, code] of refusing) {
  for (const isAllowing of [false, true]) {
    const failures = isAllowing ? " and failures allowed" : "";
    describe(`Envoy with ext_proc, ${name}${failures}`, { skip }, () => {
      let stack: Stack;
      before(async () => {
        const more = isAllowing ? [procChanges.failureModeAllow] : [];
        stack = await Stack.start([change, ...more], "ext_proc");
      });
      after(() => stack.stop());

      it(`refuses the seed with ${status}, and says what is wrong`, async () => {
        const answer = await stack.ask(alice.value, chat("AgentX-LLM"), spoof);
        assert.equal(answer.status, status, answer.body);
        assert.equal(JSON.parse(answer.body).error.code, code);
        assert.equal(stack.backend.received.length, 0);
      });
    });
  }
}

const websocket = [
  ["connection", "Upgrade"],
  ["upgrade", "websocket"],
  ["sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="],
  ["sec-websocket-version", "13"],
] as const;

describe("Envoy with ext_proc and websocket upgrades allowed", { skip }, () => {
  let stack: Stack;
  before(async () => {
    stack = await Stack.start([procChanges.websocketUpgrades], "ext_proc");
  });
  after(() => stack.stop());

  it("refuses an upgrade on a POST at once, whatever it carries", async () => {
    const answer = await stack.ask(alice.value, chat("AgentX-LLM"), [...websocket, ...spoof]);
    assert.equal(answer.status, 400, answer.body);
    assert.equal(JSON.parse(answer.body).error.code, "upgrade_not_allowed");
    assert.equal(stack.backend.received.length, 0);
  });
});

/** The status of one HTTP/2 request that ends with the last byte of its body, written as `pieces` says. */
function postHttp2(port: number, pieces: readonly Buffer[], trailers = false): Promise<number> {
  const session = connect(`http://127.0.0.1:${port}`);
  return new Promise<number>((resolve, reject) => {
    session.on("error", reject);
    const stream: ClientHttp2Stream = session.request(
      {
        ...{ ":method": "POST", ":path": path, "content-type": "application/json" },
        authorization: `Bearer ${alice.value}`,
      },
      { waitForTrailers: trailers },
    );
    stream.on("response", (headers) => resolve(Number(headers[":status"])));
    stream.on("error", reject);
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-model": "gold" }));
    stream.resume();
    for (const piece of pieces) stream.write(piece);
    stream.end();
  }).finally(() => session.destroy());
}

function padded(model: string, bytes: number): Buffer {
  const text = chat(model).trimEnd();
  return Buffer.from(text + " ".repeat(bytes - text.length));
}

describe("Envoy with ext_proc and a buffer of 100,000 bytes", { skip }, () => {
  let stack: Stack;
  before(async () => {
    // HTTP/2's own limit is its window: 16 MiB unless it is set.
    stack = await Stack.start([bufferLimit(100_000), procChanges.smallWindows], "ext_proc");
  });
  after(() => stack.stop());

  it("serves what fits, also in front of trailers", async () => {
    assert.equal(await postHttp2(stack.envoy.port, [padded("AgentX-LLM", 90_000)]), 200);
    assert.equal(stack.last().body.length, 90_000 + target.length - "AgentX-LLM".length);
    assert.equal(await postHttp2(stack.envoy.port, [padded("AgentX-LLM", 90_000)], true), 200);
    assert.equal(stack.last().headers["x-model"], target);
  });

  // ext_authz checks the first bytes of such a body alone when the frame that crosses the limit is the last one.
  it("passes on nothing but whole bodies, wherever the frame ends that crosses the limit", async () => {
    const before = stack.backend.received.length;
    const sizes = [99_999, 100_000, 100_001, 100_500, 114_688, 114_689, 130_000, 300_000];
    for (const size of sizes) {
      const status = await postHttp2(stack.envoy.port, [padded("AgentX-LLM", size)]);
      assert.ok(status === 200 || status === 413, `${status} for ${size} bytes`);
    }
    const bodies = stack.backend.received.slice(before).map(({ body }) => body);
    for (const body of bodies) {
      const length = body.length - target.length + "AgentX-LLM".length;
      assert.ok(body.equals(padded(target, body.length)), `${length} bytes are not whole`);
    }
    assert.ok(bodies.length < sizes.length);
  });
});

describe("an authorizer behind ext_proc that hangs", { skip }, () => {
  for (const [failures, more, code] of [
    ["refused", [], "authorization_unavailable"],
    ["allowed", [procChanges.failureModeAllow], "not_authorized"],
  ] as const) {
    it(`means 503 in the caller's dialect with failures ${failures}, and service once it goes on`, async () => {
      const stack = await Stack.start([messageTimeout("0.5s"), ...more], "ext_proc");
      const headers = [json, ["x-api-key", alice.value], ...spoof] as const;
      const { port } = stack.envoy;
      stack.authorizer.signal("SIGSTOP");
      const url = "/v1/messages";
      const hung = await call({ port, path: url, headers, body: chat("AgentX-LLM") });
      stack.authorizer.signal("SIGCONT");
      assert.equal(hung.status, 503, hung.body);
      assert.equal(JSON.parse(hung.body).error.type, "overloaded_error");
      assert.equal(JSON.parse(hung.body).error.code, code);
      assert.equal(stack.backend.received.length, 0);
      const again = await stack.ask(alice.value, chat("AgentX-LLM"));
      assert.equal(again.status, 200, again.body);
      stack.authorizer.signal("SIGKILL");
      await stack.authorizer.exited;
      const dead = await stack.ask(alice.value, chat(target), spoof);
      assert.equal(dead.status, 503, dead.body);
      assert.equal(JSON.parse(dead.body).error.code, code);
      assert.equal(stack.backend.received.length, 1);
      await stack.stop();
    });
  }
});

describe("an authorizer behind ext_proc with room for one check and places for four", {
  skip,
}, () => {
  let stack: Stack;
  let small: Authorizer;
  let envoy: Envoy;
  before(async () => {
    stack = await Stack.start([], "ext_proc");
    const args = ["--in-flight-bytes-max", "1", "--waiting-checks-max", "3"];
    small = await startAuthorizer({ policy: stack.policy.path, args });
    const where = places({ authorizers: [small.port], backendPort: stack.backend.port });
    envoy = await startEnvoy(binary, envoyConfig([where], "ext_proc"));
  });
  after(async () => {
    await envoy.stop();
    await small.stop();
    await stack.stop();
  });

  const body = chat("AgentX-LLM", "x".repeat(300_000));
  for (const [url, headers, shape] of [
    [path, [json, bearer(alice.value)], "none api_error overloaded 1"],
    ["/v1/messages", [json, ["x-api-key", alice.value]], "error overloaded_error overloaded 1"],
  ] as const) {
    it(`serves or refuses each of 60 callers of ${url}, and serves again afterwards`, async () => {
      const before = stack.backend.received.length;
      const ask = (): Promise<HttpAnswer> => call({ port: envoy.port, path: url, headers, body });
      const answers = await Promise.all(Array.from({ length: 60 }, ask));
      const statuses = answers.map(({ status }) => status);
      assert.deepEqual(new Set(statuses), new Set([200, 503]));
      const refused = answers.filter(({ status }) => status === 503);
      const shapes = refused.map(({ body: text, headers: given }) => {
        const { type = "none", error } = JSON.parse(text);
        return [type, error.type, error.code ?? "none", given.get("retry-after")].join(" ");
      });
      assert.deepEqual(new Set(shapes), new Set([shape]));
      const served = stack.backend.received.slice(before);
      assert.equal(served.length, statuses.filter((status) => status === 200).length);
      assert.ok(served.every((one) => JSON.parse(one.body.toString()).model === target));
      assert.equal((await ask()).status, 200);
    });
  }
});
