// Calls to an HTTPS server on loopback that plays the API server: credentials, contexts, proxies, failures of every kind.

import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { createKubeClient, type KubeClient } from "../../src/kubernetes/client.ts";
import { KubeError } from "../../src/kubernetes/transport.ts";
import { requirement } from "../support/requirements.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import {
  type Certificate,
  clientNameOf,
  type Handler,
  type KubeconfigParts,
  kubeconfigText,
  type LoopbackServer,
  makeCertificate,
  saveText,
  sendJson,
  startLoopbackServer,
} from "./loopback-server.ts";

const folder = createTempFolder("kube-client");
after(() => folder.remove());
const openssl = await requirement(() => {
  makeCertificate(folder.path, "server");
  return Promise.resolve(folder.path);
});
const path = "/api/v1/namespaces/default/things";
const never = new AbortController().signal;

/** The KubeError that a call fails with. */
async function failureOf(call: Promise<unknown>): Promise<KubeError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof KubeError, `a KubeError, not ${String(error)}`);
  return error;
}

describe("createKubeClient", { skip: openssl.skip }, () => {
  let server: LoopbackServer;
  let handle: Handler = (_request, response) => sendJson(response, {});
  let files = 0;
  const certificate: Certificate = {
    cert: join(folder.path, "server.crt"),
    key: join(folder.path, "server.key"),
  };

  before(async () => {
    server = await startLoopbackServer(
      (request, response) => handle(request, response),
      certificate,
    );
  });
  after(() => server.stop());

  const save = (text: string): string => {
    files += 1;
    return saveText(folder.path, `kubeconfig-${files}`, text);
  };
  const cluster = () => ({ server: server.url, "certificate-authority": certificate.cert });

  function open(t: TestContext, parts: Partial<KubeconfigParts> = {}): KubeClient {
    const kubeconfig = save(kubeconfigText({ c: { cluster: cluster(), ...parts } }));
    const client = createKubeClient({ kubeconfig });
    t.after(() => client.close());
    return client;
  }

  /** What the next requests say of their sender. */
  function recordHeaders(name: string): readonly (string | undefined)[] {
    const seen: (string | undefined)[] = [];
    handle = ({ headers }, response) => {
      seen.push(headers[name]?.toString());
      sendJson(response, {});
    };
    return seen;
  }

  describe("credentials", () => {
    it("sends the kubeconfig's token, without the newline of a file", async (t) => {
      const seen = recordHeaders("authorization");
      await open(t, { user: { token: "t0ken\n" } }).get(path);
      await open(t).get(path);
      assert.deepEqual(seen, ["Bearer t0ken", undefined]);
    });

    it("reads a token file again after a minute, and not before", async (t) => {
      const seen = recordHeaders("authorization");
      const tokenFile = saveText(folder.path, "token", "first\n");
      t.mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
      const client = open(t, { user: { tokenFile, token: "stale" } });
      await client.get(path);
      writeFileSync(tokenFile, "second\n");
      await client.get(path);
      t.mock.timers.tick(61_000);
      await client.get(path);
      assert.deepEqual(seen, ["Bearer first", "Bearer first", "Bearer second"]);
    });

    it("fails when a token file is gone, and sends nothing", async (t) => {
      const before = server.requests.length;
      const client = open(t, { user: { tokenFile: join(folder.path, "no-token") } });
      assert.match((await failureOf(client.get(path))).message, /^no credentials: ENOENT/);
      assert.equal(server.requests.length, before);
    });

    it("presents a certificate, and a renewed one from the next call on", async (t) => {
      const seen: (string | undefined)[] = [];
      handle = (request, response) => {
        seen.push(clientNameOf(request));
        sendJson(response, {});
      };
      const { cert, key } = makeCertificate(folder.path, "alice");
      const renewed = makeCertificate(folder.path, "renewed");
      const client = open(t, { user: { "client-certificate": cert, "client-key": key } });
      await client.get(path);
      writeFileSync(cert, readFileSync(renewed.cert));
      writeFileSync(key, readFileSync(renewed.key));
      await client.get(path);
      assert.deepEqual(seen, ["alice", "renewed"]);
    });

    it("takes the token of a credential plugin, and repeats nothing of one that prints no JSON", async (t) => {
      const seen = recordHeaders("authorization");
      const plugin = (name: string, text: string): object => {
        const command = saveText(folder.path, name, `#!/bin/sh\nprintf '%s' '${text}'\n`);
        chmodSync(command, 0o700);
        return { apiVersion: "client.authentication.k8s.io/v1", command: `./${name}` };
      };
      const good = JSON.stringify({ status: { token: "from-plugin" } });
      await open(t, { user: { exec: plugin("good", good) } }).get(path);
      assert.deepEqual(seen, ["Bearer from-plugin"]);
      const bad = open(t, { user: { exec: plugin("bad", "s3cr3t") } });
      const { message } = await failureOf(bad.get(path));
      assert.equal(message, "no credentials: the credential plugin printed no JSON");
    });

    it("talks to nobody whose certificate it does not know", async (t) => {
      const other = makeCertificate(folder.path, "other").cert;
      const before = server.requests.length;
      const client = open(t, { cluster: { server: server.url, "certificate-authority": other } });
      const error = await failureOf(client.get(path));
      assert.match(error.message, /^no answer of the API server: .*certificate/);
      assert.equal(error.status, undefined);
      assert.equal(server.requests.length, before);
      const insecure = { server: server.url, "insecure-skip-tls-verify": true };
      handle = (_request, response) => sendJson(response, { metadata: { name: "x" } });
      assert.equal((await open(t, { cluster: insecure }).get(path)).metadata.name, "x");
    });
  });

  describe("contexts", () => {
    const named = (contexts: Parameters<typeof kubeconfigText>[0], context?: string): string => {
      const kubeconfig = save(kubeconfigText(contexts));
      const client = createKubeClient({
        kubeconfig,
        ...(context === undefined ? {} : { context }),
      });
      client.close();
      return client.namespace;
    };

    it("gives the namespace of the context, current or named, and default where there is none", () => {
      const contexts = {
        first: { cluster: { server: "https://a" }, namespace: "one" },
        second: { cluster: { server: "https://b" }, namespace: "two" },
        third: { cluster: { server: "https://c" } },
        fourth: { cluster: { server: "https://d" }, namespace: 4 },
      };
      assert.equal(named(contexts), "one");
      assert.equal(named(contexts, "second"), "two");
      assert.equal(named(contexts, "third"), "default");
      assert.equal(named(contexts, "fourth"), "4");
    });

    it("talks to the cluster of the named context with its user", async () => {
      const seen = recordHeaders("authorization");
      const kubeconfig = save(
        kubeconfigText({
          away: { cluster: { server: "https://127.0.0.1:1" }, user: { token: "away" } },
          here: { cluster: cluster(), user: { token: "here" } },
        }),
      );
      const client = createKubeClient({ kubeconfig, context: "here" });
      await client.get(path);
      client.close();
      assert.deepEqual(seen, ["Bearer here"]);
    });

    it("refuses a context that is not there, hostile names too", () => {
      for (const context of ["second", "", "__proto__", "x\u001b[31m"]) {
        assert.throws(() => named({ first: { cluster: { server: "https://a" } } }, context), {
          name: "KubeError",
          message: `there is no context ${JSON.stringify(context)} in the kubeconfig`,
        });
      }
    });

    const broken: readonly (readonly [string, string, RegExp])[] = [
      ["no current context", "clusters: []\n", /no current context/],
      [
        "a context without its cluster",
        "current-context: a\ncontexts: [{name: a, context: {cluster: b}}]\n",
        /no cluster/,
      ],
      ["a cluster without a server", "clusters: [{name: a, cluster: {}}]\n", /server is missing/],
      ["a list of nothing", "clusters: [null]\n", /name is missing/],
    ];
    for (const [what, text, message] of broken) {
      it(`refuses a kubeconfig with ${what}`, () => {
        assert.throws(() => createKubeClient({ kubeconfig: save(text) }), {
          name: "KubeError",
          message,
        });
      });
    }

    it("says that there is no cluster where there is neither a kubeconfig nor a pod", (t) => {
      const { HOME, KUBECONFIG } = process.env;
      t.after(() => {
        Object.assign(process.env, { HOME });
        if (KUBECONFIG !== undefined) process.env["KUBECONFIG"] = KUBECONFIG;
      });
      process.env["HOME"] = join(folder.path, "nobody");
      delete process.env["KUBECONFIG"];
      assert.throws(() => createKubeClient(), {
        name: "KubeError",
        message: "no cluster is configured: there is no kubeconfig, and this is no pod",
      });
    });
  });

  describe("a proxy", () => {
    let proxy: Server;
    const targets: (string | undefined)[] = [];
    /** Not the server's own any more. */
    const tunnels = new Set<Socket>();
    before(async () => {
      proxy = createServer();
      proxy.on("connect", (request, socket: Socket) => {
        targets.push(request.url);
        tunnels.add(socket);
        const { port } = new URL(server.url);
        const onward = connect(Number(port), "127.0.0.1", () => {
          socket.write("HTTP/1.1 200 OK\r\n\r\n");
          socket.pipe(onward).pipe(socket);
        });
        for (const each of [onward, socket]) each.on("error", () => onward.destroy());
      });
      await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    });
    after(async () => {
      for (const tunnel of tunnels) tunnel.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    });

    it("is gone through when the cluster names one, TLS and all", async (t) => {
      const { port } = proxy.address() as AddressInfo;
      const through = { ...cluster(), "proxy-url": `http://127.0.0.1:${port}` };
      const seen = recordHeaders("authorization");
      const client = open(t, { cluster: through, user: { token: "t0ken" } });
      await client.get(path);
      await client.get(path);
      assert.deepEqual(seen, ["Bearer t0ken", "Bearer t0ken"]);
      const { host } = new URL(server.url);
      assert.deepEqual(targets, [host, host]);
    });

    it("that is not there is a failure", async (t) => {
      const client = open(t, { cluster: { ...cluster(), "proxy-url": "http://127.0.0.1:1" } });
      assert.match((await failureOf(client.get(path))).message, /^no answer .*ECONNREFUSED/);
    });
  });

  describe("answers", () => {
    it("give a KubeError with the server's status, reason and message", async (t) => {
      const message = 'things is forbidden: User "u" cannot get resource';
      handle = (_request, response) =>
        sendJson(response, { kind: "Status", code: 403, reason: "Forbidden", message }, 403);
      const error = await failureOf(open(t).get(path));
      assert.deepEqual([error.status, error.reason, error.message], [403, "Forbidden", message]);
    });

    const waits: readonly (readonly [string, (ms: number | undefined) => boolean])[] = [
      ["7", (ms) => ms === 7000],
      ["0", (ms) => ms === 0],
      [new Date(Date.now() + 600_000).toUTCString(), (ms = 0) => ms > 500_000 && ms <= 600_000],
      [new Date(0).toUTCString(), (ms) => ms === 0],
      ["soon", (ms) => ms === undefined],
      ["1.5e99x", (ms) => ms === undefined],
    ];
    for (const [retryAfter, isRight] of waits) {
      it(`read Retry-After: ${retryAfter.replace(/\d{2}:.*/, "...")}`, async (t) => {
        handle = (_request, response) => {
          response.writeHead(429, { "retry-after": retryAfter });
          response.end(JSON.stringify({ kind: "Status", message: "slow down" }));
        };
        const { status, retryAfterMs } = await failureOf(open(t).get(path));
        assert.equal(status, 429);
        assert.ok(isRight(retryAfterMs), `${retryAfterMs} ms`);
      });
    }

    it("read the wait from the Status where no header tells it", async (t) => {
      handle = (_request, response) =>
        sendJson(response, { message: "busy", details: { retryAfterSeconds: 3 } }, 429);
      assert.equal((await failureOf(open(t).get(path))).retryAfterMs, 3000);
    });

    it("that are no JSON are failures, of which nothing is repeated", async (t) => {
      const page = "<html>s3cr3t</html>";
      handle = (_request, response) => response.writeHead(200).end(page);
      const client = open(t);
      const good = await failureOf(client.get(path));
      assert.equal(good.message, "the API server sent what is no JSON");
      handle = (_request, response) => response.writeHead(502).end(page);
      const bad = await failureOf(client.get(path));
      assert.deepEqual([bad.status, bad.message], [502, "the API server answered 502"]);
    });

    it("that break off are failures", async (t) => {
      handle = (_request, response) => {
        response.writeHead(200, { "content-length": "100" });
        response.write('{"metadata"');
        setImmediate(() => response.destroy());
      };
      assert.match((await failureOf(open(t).get(path))).message, /^an answer broke off: /);
    });

    it("that never come are told with the address's failure, for a name with several addresses too", async () => {
      const kubeconfig = save(
        kubeconfigText({ c: { cluster: { server: "https://localhost:1" } } }),
      );
      const client = createKubeClient({ kubeconfig });
      assert.match((await failureOf(client.get(path))).message, /^no answer .*ECONNREFUSED/);
      client.close();
    });
  });

  describe("calls", () => {
    it("carry method, path, type and body as the API has them", async (t) => {
      const seen: unknown[] = [];
      handle = (request, response) => {
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () => {
          const { method, url, headers } = request;
          seen.push([method, url, headers["content-type"], Buffer.concat(chunks).toString("utf8")]);
          sendJson(response, {});
        });
      };
      const client = open(t);
      const object = { metadata: { name: "é" } };
      const text = JSON.stringify(object);
      await client.create(path, object);
      await client.update(`${path}/x`, object);
      await client.apply(`${path}/x`, object, { fieldManager: "m", subresource: "status" });
      await client.delete(`${path}/x`);
      const patch = `${path}/x/status?fieldManager=m&force=false`;
      assert.deepEqual(seen, [
        ["POST", path, "application/json", text],
        ["PUT", `${path}/x`, "application/json", text],
        ["PATCH", patch, "application/apply-patch+yaml", text],
        ["DELETE", `${path}/x`, undefined, ""],
      ]);
    });

    it("on a kept connection that the server has closed are sent again, but for a creation", async (t) => {
      const sockets = new Set<unknown>();
      handle = (request, response) => {
        // The second request of a connection finds it closed.
        if (sockets.has(request.socket)) return request.socket.destroy();
        sockets.add(request.socket);
        return sendJson(response, { metadata: { name: "x" } });
      };
      const client = open(t);
      await client.get(path);
      assert.equal((await client.get(path)).metadata.name, "x");
      const before = server.requests.length;
      const error = await failureOf(client.create(path, {}));
      assert.match(error.message, /^no answer|hang up|ECONNRESET/);
      assert.equal(server.requests.length, before + 1);
    });
  });

  describe("collection", () => {
    it("lists page by page with its selectors", async (t) => {
      handle = ({ url = "" }, response) => {
        const more = !url.includes("continue=");
        const metadata = {
          resourceVersion: "7",
          ...(more ? { continue: "a/b=" } : { continue: "" }),
        };
        sendJson(response, { metadata, items: [{ metadata: { name: more ? "x" : "y" } }] });
      };
      const things = open(t).collection(path, { labelSelector: "a=b,c" });
      const first = await things.list({ limit: 1 }, never);
      assert.equal(first.continueToken, "a/b=");
      const second = await things.list({ limit: 1, continueToken: "a/b=" }, never);
      assert.deepEqual(second, { items: [{ metadata: { name: "y" } }], resourceVersion: "7" });
      assert.deepEqual(server.requests.slice(-2), [
        `GET ${path}?labelSelector=a%3Db%2Cc&limit=1`,
        `GET ${path}?labelSelector=a%3Db%2Cc&limit=1&continue=a%2Fb%3D`,
      ]);
    });

    it("refuses what is no list", async (t) => {
      const things = open(t).collection(path);
      for (const body of [
        {},
        null,
        [],
        { items: [] },
        { items: {}, metadata: { resourceVersion: "1" } },
      ]) {
        handle = (_request, response) => sendJson(response, body);
        const { message } = await failureOf(things.list({ limit: 1 }, never));
        assert.equal(message, "the API server sent what is no list", JSON.stringify(body));
      }
    });

    /** A watch whose body is these chunks; `end` says how it ends. */
    async function watch(t: TestContext, chunks: readonly string[], end: "ended" | "cut") {
      handle = (_request, response) => {
        response.writeHead(200);
        for (const chunk of chunks) response.write(chunk);
        if (end === "ended") response.end();
        else setImmediate(() => response.destroy());
      };
      const events: string[] = [];
      const things = open(t).collection(path);
      const request = { resourceVersion: "5", timeoutSeconds: 9 };
      const watching = things.watch(request, ({ type }) => events.push(type), never);
      return { events, watching };
    }

    it("watches event by event, whatever the chunks", async (t) => {
      const { events, watching } = await watch(
        t,
        ['{"type":"ADDED"', ',"object":{}}\n{"type":', '"X"}\n'],
        "ended",
      );
      await watching;
      assert.deepEqual(events, ["ADDED", "X"]);
      const query = "watch=true&allowWatchBookmarks=true&resourceVersion=5&timeoutSeconds=9";
      assert.equal(server.requests.at(-1), `GET ${path}?${query}`);
    });

    const ends: readonly (readonly [string, readonly string[], "ended" | "cut", RegExp])[] = [
      [
        "ends within a line",
        ['{"type":"ADDED"}\n{"type"'],
        "ended",
        /^a watch ended within a line$/,
      ],
      ["breaks off", ['{"type":"ADDED"}\n'], "cut", /^a watch broke off: /],
      [
        "sends no JSON",
        ['{"type":"ADDED"}\n', "<html>\n"],
        "ended",
        /^the API server sent what is no JSON$/,
      ],
      ["sends an event without a type", ['{"type":"ADDED"}\n', "{}\n"], "ended", /has no type$/],
    ];
    for (const [what, chunks, end, message] of ends) {
      it(`fails a watch that ${what}, with what came before`, async (t) => {
        const { events, watching } = await watch(t, chunks, end);
        assert.match((await failureOf(watching)).message, message);
        assert.deepEqual(events, ["ADDED"]);
      });
    }

    it("ends a watch and a list when they are aborted", async (t) => {
      let isAsked: () => void = () => {};
      handle = () => isAsked();
      const things = open(t).collection(path);
      const calls = [
        (signal: AbortSignal) => things.list({ limit: 1 }, signal),
        (signal: AbortSignal) =>
          things.watch({ resourceVersion: "1", timeoutSeconds: 9 }, () => {}, signal),
      ];
      for (const call of calls) {
        const asked = new Promise<void>((resolve) => {
          isAsked = resolve;
        });
        const abort = new AbortController();
        const failing = failureOf(call(abort.signal));
        await asked;
        abort.abort();
        assert.match((await failing).message, /^no answer of the API server: .*abort/);
      }
    });
  });
});
