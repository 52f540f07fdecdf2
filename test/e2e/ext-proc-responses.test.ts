// Responses through the real Envoy with ext_proc: every dialect and framing as backends send them, exact to the byte but for
// the model where that is asked for, counted, and never broken whatever comes.

import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { json, samples, sse } from "../core/response/samples.ts";
import { procChanges } from "../support/envoy-config.ts";
import { type Answer, alias, pieces, ResponseStack, until } from "../support/response-stack.ts";
import { skip, target } from "../support/start-stack.ts";

const said = (model: string): string => JSON.stringify(model);

/** Cut every so many bytes: keys and names too. */
function cut(bytes: Buffer, size: number): readonly Buffer[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
}

const chunk = (model: string, content: string): string =>
  `data: {"object":"chat.completion.chunk","model":${said(model)},"choices":[{"delta":{"content":${said(content)}}}]}\n\n`;

for (const model of ["count", "requested"] as const) {
  for (const isHttp2 of [false, true]) {
    const shown = model === "count" ? target : alias;
    const backend = isHttp2 ? "HTTP/2" : "HTTP/1.1";
    describe(`responses over ext_proc with response-model ${model} from ${backend}`, {
      skip,
    }, () => {
      let stack: ResponseStack;
      before(async () => {
        stack = await ResponseStack.start({ model, isHttp2 });
      });
      after(() => stack.stop());

      for (const { name, dialect, contentType, body } of samples) {
        it(`keeps every byte of "${name}" but the model, whole and in pieces of 37 bytes`, async () => {
          const before = await stack.counts();
          const sent = Buffer.from(body(said(target)));
          const wanted = body(said(shown));
          for (const list of [[sent], cut(sent, 37)]) {
            const got = await stack.ask(pieces(contentType, list), { dialect });
            assert.deepEqual([got.status, got.isWhole], [200, true]);
            assert.equal(got.body.toString(), wanted);
          }
          const got = await stack.askHttp2(pieces(contentType, cut(sent, 37)), { dialect });
          assert.equal(got.body.toString(), wanted);
          await until(async () => {
            const { authorized = 0 } = await stack.counts();
            return authorized === (before["authorized"] ?? 0) + 3;
          });
        });
      }

      it("asks the backend for no encoding, and passes on one that comes all the same", async () => {
        const { unknown = 0 } = await stack.counts();
        const text = gzipSync(JSON.stringify({ model: target, text: "x".repeat(1000) }));
        const headers = { "content-encoding": "gzip" };
        const got = await stack.ask(pieces(json, [text], { headers }));
        assert.ok(got.body.equals(text));
        assert.equal(got.headers["content-encoding"], "gzip");
        assert.equal(stack.backend.received().get("accept-encoding"), undefined);
        await until(async () => (await stack.counts())["unknown"] === unknown + 1);
      });

      it("passes 8 MB of JSON exactly", async () => {
        const filler = Buffer.alloc(4_000_000, "0123456789abcdef");
        const of = (name: string): Buffer =>
          Buffer.concat([
            Buffer.from('{"data":"'),
            filler,
            Buffer.from(`","model": ${said(name)} ,"more":"`),
            filler,
            Buffer.from('"}'),
          ]);
        const got = await stack.ask(pieces(json, [of(target)]));
        assert.ok(got.body.equals(of(shown)), `${got.body.length} bytes`);
      });

      it("says of headers only what is true of the bytes", async () => {
        const headers = { etag: '"1"', digest: "sha-256=x", "x-other": "kept" };
        const got = await stack.ask(pieces(json, [Buffer.from('{"model":"a"}')], { headers }));
        const isKept = model === "count";
        assert.equal(got.headers["etag"], isKept ? '"1"' : undefined);
        assert.equal(got.headers["digest"], isKept ? "sha-256=x" : undefined);
        assert.equal(got.headers["x-other"], "kept");
        assert.equal(got.headers["content-length"], undefined);
      });

      it("counts and logs another model at once, while the response goes on", async () => {
        const { other = 0 } = await stack.counts();
        const list = ["cheap/model\u202e", target, "cheap/two"].map((name) => chunk(name, "a"));
        let counted = false;
        const got = await stack.ask((response) => {
          (response as ServerResponse).writeHead(200, { "content-type": sse });
          (response as ServerResponse).write(list[0]);
          void until(async () => (await stack.counts())["other"] === other + 1).then(() => {
            counted = true;
            response.end(list.slice(1).join(""));
          });
        });
        assert.equal(counted, true);
        const names =
          model === "count" ? ["cheap/model\u202e", target, "cheap/two"] : [alias, alias, alias];
        assert.equal(got.body.toString(), names.map((name) => chunk(name, "a")).join(""));
        assert.equal((await stack.counts())["other"], other + 1);
        // Lines come through a pipe: those of earlier responses perhaps only now.
        const requestId = stack.backend.received().get("x-request-id");
        const lines = () => stack.logged().filter((each) => each["requestId"] === requestId);
        await until(() => lines().length > 0);
        const [line, ...others] = lines();
        assert.deepEqual(others, []);
        const { level: _, time: __, ...fields } = line ?? {};
        assert.deepEqual(fields, {
          msg: "response",
          requestId,
          ...{ operation: "chat.completions", key: "alice", team: "research", model: target },
          servedModels: ["cheap/model?"],
        });
      });

      it("passes answers without a body, and errors, and counts of them what is a success", async () => {
        const { unknown = 0, authorized = 0, other = 0 } = await stack.counts();
        const error = Buffer.from('{"error":{"message":"slow down"},"model":"x"}');
        const got = [
          await stack.ask(pieces(json, [], { status: 204 })),
          await stack.ask(pieces(json, [], { status: 304 })),
          await stack.ask(pieces(json, [error], { status: 429 })),
          await stack.ask(pieces(json, [error], { status: 500 })),
          await stack.ask(pieces(json, [])),
          await stack.ask(pieces("text/plain", [Buffer.from("plain")])),
        ];
        assert.deepEqual(
          got.map(({ status, isWhole, body: { length } }) => [status, isWhole, length]),
          [
            [204, true, 0],
            [304, true, 0],
            [429, true, error.length],
            [500, true, error.length],
            [200, true, 0],
            [200, true, 5],
          ],
        );
        await until(async () => (await stack.counts())["unknown"] === unknown + 3);
        assert.deepEqual(await stack.counts(), { authorized, other, unknown: unknown + 3 });
      });

      it("passes what is not what it says it is", async () => {
        for (const text of [
          "",
          "{",
          '{"model":',
          '{"model":"openrou',
          "\0\xff",
          "[[[[",
          "data: x\n",
        ]) {
          for (const type of [json, sse, "application/x-ndjson", "application/json, text/html"]) {
            const sent = Buffer.from(text, "latin1");
            const got = await stack.ask(pieces(type, cut(sent, 3)));
            assert.ok(got.isWhole && got.body.equals(sent), `${type} ${text}`);
          }
        }
      });

      it("leaves nothing behind of callers that go in the middle", async () => {
        const ended = async (): Promise<number> => {
          const found = (await stack.metrics()).matchAll(/grpc_method="Process".*\} (\d+)$/gm);
          return [...found].reduce((sum, [, count]) => sum + Number(count), 0);
        };
        const before = await ended();
        const list = Array.from({ length: 1000 }, () => Buffer.from(chunk(target, "a")));
        const answer = pieces(sse, list, { delayMs: 5 });
        const { isWhole } = await stack.ask(answer, { onChunk: () => true });
        assert.equal(isWhole, false);
        await until(async () => (await ended()) === before + 1);
        const got = await stack.ask(pieces(json, [Buffer.from('{"model":"a"}')]));
        assert.equal(got.status, 200);
      });

      if (isHttp2) {
        it("passes trailers, with and without a body before them", async () => {
          for (const list of [[chunk(target, "a"), chunk(target, "b")], []]) {
            const before = await stack.counts();
            const got = await stack.askHttp2(withTrailers(list.map((text) => Buffer.from(text))));
            assert.equal(got.body.toString(), list.join("").replaceAll(target, shown));
            assert.equal(got.trailers["x-checksum"], "7");
            const served = list.length > 0 ? "authorized" : "unknown";
            await until(async () => (await stack.counts())[served] === (before[served] ?? 0) + 1);
          }
        });
      }

      it("makes neither Envoy nor the authorizer complain", () => {
        const isFinding = (line: string): boolean => !line.includes("There is no configured limit");
        assert.deepEqual(stack.envoy.findings().filter(isFinding), []);
        assert.deepEqual(stack.authorizer.strayLines(), []);
        const bugs = stack.authorizer.log().filter(({ msg }) => msg === "bug");
        assert.deepEqual(bugs, []);
      });
    });
  }
}

function withTrailers(list: readonly Buffer[]): Answer {
  return (response) => {
    assert.ok("stream" in response);
    response.writeHead(200, { "content-type": sse });
    response.addTrailers({ "x-checksum": "7" });
    for (const piece of list) response.write(piece);
    response.end();
  };
}

for (const [name, changes] of [
  ["with no mode override allowed", [procChanges.modeOverrideForbidden]],
  ["with trailers of requests sent", [procChanges.trailersSent]],
  ["with failures allowed", [procChanges.failureModeAllow]],
  ["without mutation rules", [procChanges.mutationRulesLeftOut]],
] as const) {
  describe(`responses over ext_proc ${name}`, { skip }, () => {
    let stack: ResponseStack;
    before(async () => {
      stack = await ResponseStack.start({ model: "requested", changes });
    });
    after(() => stack.stop());

    it("are whole, and read where Envoy sends them", async () => {
      const isSent = name !== "with no mode override allowed";
      const list = [chunk(target, "a"), chunk(target, "b")];
      const answer = pieces(
        sse,
        list.map((text) => Buffer.from(text)),
        { delayMs: 20 },
      );
      const got = await stack.ask(answer);
      const wanted = list.join("").replaceAll(target, isSent ? alias : target);
      assert.deepEqual([got.status, got.isWhole, got.body.toString()], [200, true, wanted]);
      const { authorized } = await stack.counts();
      assert.equal(authorized, isSent ? 1 : 0);
    });
  });
}

describe("responses over ext_proc with response-model ignore", { skip }, () => {
  let stack: ResponseStack;
  before(async () => {
    stack = await ResponseStack.start({ model: "ignore" });
  });
  after(() => stack.stop());

  it("are not looked at, and the backend may encode them", async () => {
    const text = Buffer.from('{"model":"other"}');
    const headers = { "content-length": String(text.length), etag: '"1"' };
    const got = await stack.ask(pieces(json, [text], { headers }));
    assert.ok(got.body.equals(text));
    assert.deepEqual([got.headers["content-length"], got.headers["etag"]], ["17", '"1"']);
    assert.equal(stack.backend.received().get("accept-encoding"), "gzip, br");
    assert.deepEqual(await stack.counts(), { authorized: 0, other: 0, unknown: 0 });
  });
});
