// A websocket of the realtime API through the real Envoy in both modes: let through by its headers alone, to the resolved
// model, and only where it is asked for. With ext_proc Envoy would else wait for ever for the end of its body.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import {
  type ConfigChange,
  envoyConfig,
  type Mode,
  places,
  procChanges,
} from "../support/envoy-config.ts";
import { PolicyFolder } from "../support/policy-files.ts";
import { type Authorizer, startAuthorizer } from "../support/start-authorizer.ts";
import { type Envoy, startEnvoy } from "../support/start-envoy.ts";
import { alice, binary, manifests, namedOnly, skip, target } from "../support/start-stack.ts";
import { createTempFolder, type TempFolder } from "../support/temp-folder.ts";

type Upgraded = {
  /** 101, or the status of a refusal. */
  readonly status: number;
  /** What the backend sent back of what was sent after the upgrade. */
  readonly echo: string;
};

function upgrade(port: number, secret: string, path: string): Promise<Upgraded> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      ...{ host: "127.0.0.1", port, path, agent: false },
      headers: {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
        authorization: `Bearer ${secret}`,
        "x-model": "gold",
      },
      timeout: 10_000,
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer within 10 seconds")));
    outgoing.on("error", reject);
    outgoing.on("response", (incoming) => {
      incoming.resume();
      resolve({ status: incoming.statusCode ?? 0, echo: "" });
    });
    outgoing.on("upgrade", (incoming, socket) => {
      socket.write("a frame of any kind");
      socket.once("data", (echo: Buffer) => {
        socket.destroy();
        resolve({ status: incoming.statusCode ?? 0, echo: echo.toString() });
      });
    });
    outgoing.end();
  });
}

for (const [name, mode, changes] of [
  ["ext_authz", "ext_authz", []],
  ["ext_proc", "ext_proc", []],
  ["ext_proc, no mode override allowed", "ext_proc", [procChanges.modeOverrideForbidden]],
] as const satisfies readonly (readonly [string, Mode, readonly ConfigChange[]])[]) {
  describe(`a websocket through Envoy with ${name}`, { skip }, () => {
    const received: IncomingMessage[] = [];
    const sockets = new Set<Socket>();
    const backend = createServer();
    let folder: TempFolder;
    let authorizer: Authorizer;
    let envoy: Envoy;
    before(async () => {
      backend.on("upgrade", (incoming: IncomingMessage, socket: Socket) => {
        received.push(incoming);
        sockets.add(socket);
        socket.write(
          "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        );
        socket.on("error", () => {});
        socket.on("data", (chunk) => socket.write(`echo: ${chunk}`));
      });
      await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve));
      folder = createTempFolder("policy");
      new PolicyFolder(folder.path).write("policy.yaml", manifests);
      authorizer = await startAuthorizer({ policy: folder.path, args: ["--realtime", "true"] });
      const backendPort = (backend.address() as AddressInfo).port;
      const where = places({ authorizers: [authorizer.port], backendPort });
      const config = [where, procChanges.websocketUpgrades, ...changes];
      envoy = await startEnvoy(binary, envoyConfig(config, mode));
    });
    after(async () => {
      await envoy.stop();
      await authorizer.stop();
      folder.remove();
      for (const socket of sockets) socket.destroy();
      backend.close();
    });

    it("is opened to the resolved model, in the query and in the header", async () => {
      const answer = await upgrade(envoy.port, alice.value, "/v1/realtime?model=AgentX-LLM");
      assert.deepEqual(answer, { status: 101, echo: "echo: a frame of any kind" });
      const { url, headers } = received.at(-1) ?? {};
      const { searchParams } = new URL(url ?? "", "http://backend");
      assert.deepEqual(searchParams.getAll("model"), [target]);
      assert.equal(headers?.["x-model"], target);
      assert.equal(headers?.["authorization"], undefined);
    });

    it("is refused to a key without a grant, without a model, and on other paths", async () => {
      const before = received.length;
      const answers = [
        await upgrade(envoy.port, namedOnly.value, "/v1/realtime?model=AgentX-LLM"),
        await upgrade(envoy.port, alice.value, "/v1/realtime"),
        await upgrade(envoy.port, alice.value, "/v1/models"),
      ];
      assert.deepEqual(
        answers.map(({ status }) => status),
        [403, 400, 400],
      );
      assert.equal(received.length, before);
    });
  });
}
