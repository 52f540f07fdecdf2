// What Envoy does that one would not expect, each against the product as shipped. The other traps have their tests
// elsewhere: a route cache that is kept, partial bodies and websocket upgrades in variants, a missing or failing splice
// and spoofed headers in seed, an absent authorizer in envoy-config, values without a kind in check-response.

import assert from "node:assert/strict";
import { connect } from "node:http2";
import { after, before, describe, it } from "node:test";
import { bodyLimit, changes } from "../support/envoy-config.ts";
import { call } from "../support/http-client.ts";
import {
  alice,
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

describe("Envoy as shipped", { skip }, () => {
  let stack: Stack;
  before(async () => {
    stack = await Stack.start();
  });
  after(() => stack.stop());

  // Envoy skips the check of a request that matches no route: the catch-all is such a route.
  it("checks a request for which no route forwards, and whose x-model is the caller's", async () => {
    const headers = [json, bearer(stranger.value), ["x-model", target]] as const;
    const { port } = stack.envoy;
    const answers = [
      await call({ port, path: "/nothing", headers }),
      await call({ port, path: "/v2/chat/completions", headers, body: chat(target) }),
      await call({ port, path: "/aliasguard-rewrite-pending/v1/models", headers }),
    ];
    const statuses = answers.map(({ status }) => status);
    assert.ok(
      statuses.every((status) => status >= 400 && status < 500),
      String(statuses),
    );
    assert.equal(stack.backend.received.length, 0);
  });

  // A denial with status 200 is sent only because its gRPC code is not 0.
  it("answers the list of models itself, and refuses it to a stranger", async () => {
    const { port } = stack.envoy;
    const own = await call({ port, path: "/v1/models", headers: [bearer(alice.value)] });
    assert.equal(own.status, 200, own.body);
    assert.equal(JSON.parse(own.body).object, "list");
    const strange = await call({ port, path: "/v1/models", headers: [bearer(stranger.value)] });
    assert.equal(strange.status, 401, strange.body);
    assert.equal(stack.backend.received.length, 0);
  });

  // headers_to_remove runs after headers: one that is both set and removed would be gone.
  it("hands on x-model and neither credential, whichever of them the caller sent", async () => {
    const headers = [json, ["x-api-key", alice.value], ["x-model", "gold"]] as const;
    const { port } = stack.envoy;
    const answer = await call({ port, path, headers, body: chat("AgentX-LLM") });
    assert.equal(answer.status, 200, answer.body);
    const { headers: received } = stack.last();
    assert.deepEqual(
      [received["x-model"], received["x-api-key"], received["authorization"]],
      [target, undefined, undefined],
    );
  });
});

/** The status of one HTTP/2 request whose body is written at once, so that its last frame ends the stream. */
function postAtOnce(port: number, bytes: number): Promise<number> {
  const session = connect(`http://127.0.0.1:${port}`);
  return new Promise<number>((resolve, reject) => {
    session.on("error", reject);
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/json",
      authorization: `Bearer ${alice.value}`,
    });
    stream.on("response", (headers) => resolve(Number(headers[":status"])));
    stream.on("error", reject);
    stream.resume();
    const body = chat("AgentX-LLM");
    stream.end(body.trimEnd() + " ".repeat(bytes - body.trimEnd().length));
  }).finally(() => session.destroy());
}

describe("Envoy with a body limit of 100,000 bytes", { skip }, () => {
  let stack: Stack;
  before(async () => {
    stack = await Stack.start([bodyLimit(100_000)]);
  });
  after(() => stack.stop());

  // When the frame that crosses the limit also ends the stream, Envoy 1.40 checks the first bytes and says nothing.
  it("refuses every body that crosses it with 413, wherever its last frame ends", async () => {
    const sizes = [100_001, 100_500, 110_000, 114_688, 114_689, 130_000];
    const statuses = await Promise.all(sizes.map((size) => postAtOnce(stack.envoy.port, size)));
    assert.deepEqual(new Set(statuses), new Set([413]));
    assert.equal(stack.backend.received.length, 0);
  });

  it("serves a body below it", async () => {
    assert.equal(await postAtOnce(stack.envoy.port, 99_000), 200);
    assert.equal(stack.backend.received.length, 1);
  });
});

describe("Envoy with failure_mode_allow", { skip }, () => {
  let stack: Stack;
  before(async () => {
    stack = await Stack.start([changes.failureModeAllow]);
  });
  after(() => stack.stop());

  // Any code but 0 is a denial; only a failed call would obey failure_mode_allow, and none of these fails.
  it("passes nothing that was refused: a model, a body, a key", async () => {
    const spoof = [["x-model", target]] as const;
    const answers = [
      await stack.ask(namedOnly.value, chat("AgentX-LLM"), spoof),
      await stack.ask(alice.value, '{"model":', spoof),
      await stack.ask(stranger.value, chat(target), spoof),
      await stack.ask(alice.value, chat("AgentX-LLM", "x".repeat(33_560_000)), spoof),
    ];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [403, 400, 401, 413],
    );
    assert.equal(stack.backend.received.length, 0);
  });

  it("passes nothing while the authorizer is dead", async () => {
    stack.authorizer.signal("SIGKILL");
    await stack.authorizer.exited;
    const answer = await stack.ask(alice.value, chat(target), [["x-model", target]]);
    assert.ok(answer.status >= 500, answer.body);
    assert.equal(stack.backend.received.length, 0);
  });
});

describe("Envoy with the splice enabled on the forwarding route only", { skip }, () => {
  let stack: Stack;
  before(async () => {
    stack = await Stack.start([changes.luaOnForwardingRouteOnly]);
  });
  after(() => stack.stop());

  // Which filters run is decided on the first route, before the check: here the splice never does.
  it("refuses what needs the splice, and serves what does not", async () => {
    const aliased = await stack.ask(alice.value, chat("AgentX-LLM"));
    assert.equal(aliased.status, 500, aliased.body);
    assert.equal(stack.backend.received.length, 0);
    const direct = await stack.ask(alice.value, chat(target));
    assert.equal(direct.status, 200, direct.body);
    assert.equal(stack.backend.received.length, 1);
  });
});
