// TLS in front of the gRPC server, with real clients: who gets an answer, who is refused and why, and what a new
// certificate changes for connections that are open.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type ClientHttp2Session, connect, type SecureClientSessionOptions } from "node:http2";
import { connect as connectTcp } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { connect as connectTls, type TLSSocket } from "node:tls";
import {
  createTlsGate,
  type TlsMaterial,
  type TlsSettings,
  tlsRefusals,
} from "../../../src/envoy/grpc/tls.ts";
import { encodeCheckRequest } from "../../../src/envoy/wire.ts";
import { type CertificateFiles, makeCertificate, type Wanted } from "../../support/certificates.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { begin, frame, handlerDeps, probe, startServer } from "../grpc-peer.ts";

const check = frame(
  encodeCheckRequest({ attributes: { request: { http: { method: "GET", path: "/health" } } } }),
);
const mutual: TlsSettings = { minVersion: "1.2", clientNames: [] };

type Setup = { readonly settings?: TlsSettings; readonly isMutual?: boolean };

async function start(t: TestContext, { settings = mutual, isMutual = true }: Setup = {}) {
  const folder = createTempFolder("tls");
  t.after(() => folder.remove());
  const made = (name: string, more: Omit<Wanted, "name"> = {}): CertificateFiles =>
    makeCertificate(folder.path, { name, ...more });
  const [ca, clientCa] = [made("ca"), made("client-ca")];
  const materialOf = (pair: CertificateFiles, authority: CertificateFiles): TlsMaterial => {
    const bundle = readFileSync(authority.cert);
    return {
      ...{ cert: readFileSync(pair.cert), key: readFileSync(pair.key) },
      clientCa: isMutual ? bundle : undefined,
      authorities: isMutual ? [new X509Certificate(bundle)] : [],
    };
  };
  const refused: string[] = [];
  const details: string[] = [];
  const gate = createTlsGate({
    settings,
    onRefused(refusal, detail) {
      refused.push(refusal);
      details.push(detail);
    },
  });
  const server = made("server", { by: ca });
  gate.replace(materialOf(server, clientCa));
  const started = await startServer(t, {
    deps: handlerDeps(() => probe),
    settings: {},
    tls: gate,
  });
  const [address = ""] = started.addresses;
  const client = (own?: CertificateFiles, more: SecureClientSessionOptions = {}) => {
    const pair =
      own === undefined ? {} : { cert: readFileSync(own.cert), key: readFileSync(own.key) };
    const session = connect(`https://${address}`, { ca: readFileSync(ca.cert), ...pair, ...more });
    session.on("error", () => {});
    t.after(() => session.destroy());
    return session;
  };
  return {
    ...started,
    address,
    gate,
    made,
    ca,
    clientCa,
    server,
    materialOf,
    refused,
    details,
    client,
  };
}

/** "0" for an answered check, else why there was none. */
function ask(session: ClientHttp2Session): Promise<string> {
  return new Promise((resolve) => {
    let status = "closed";
    session.on("error", (error) => resolve(error.message));
    session.on("close", () => resolve(status));
    if (session.destroyed) return resolve("closed");
    const stream = begin(session);
    stream.on("response", (headers) => (status = String(headers["grpc-status"] ?? status)));
    stream.on("trailers", (headers) => (status = String(headers["grpc-status"] ?? status)));
    stream.on("close", () => resolve(status));
    stream.resume().end(check);
  });
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let looks = 0; !isTrue(); looks += 1) {
    assert.ok(looks < 1000, "it did not happen");
    await delay(5);
  }
}

test("createTlsGate lets a client in whose authority is known, and without clientCa every one", async (t) => {
  const { client, made, clientCa, refused } = await start(t);
  assert.equal(await ask(client(made("envoy", { by: clientCa }))), "0");
  const open = await start(t, { isMutual: false });
  assert.equal(await ask(open.client()), "0");
  assert.deepEqual([refused, open.refused], [[], []]);
});

type Fixture = Awaited<ReturnType<typeof start>>;
const strangers: readonly (readonly [
  string,
  string,
  (at: Fixture) => CertificateFiles | undefined,
])[] = [
  ["without a certificate", "no_certificate", () => undefined],
  ["of another authority", "untrusted", ({ made, ca }) => made("x", { by: ca })],
  ["that signed itself", "untrusted", ({ made }) => made("x")],
  [
    "of an authority of the same name",
    "untrusted",
    ({ made }) => {
      const twin = made("twin");
      return made("x", { by: twin });
    },
  ],
  [
    "whose certificate has ended",
    "expired",
    ({ made, clientCa }) => made("x", { by: clientCa, lifeMs: -1000 }),
  ],
  [
    "whose certificate is not valid yet",
    "untrusted",
    ({ made, clientCa }) => made("x", { by: clientCa, fromMs: 3_600_000 }),
  ],
  [
    "signed by a client that may sign nobody",
    "untrusted",
    ({ made, clientCa }) => made("x", { by: made("leaf", { by: clientCa }) }),
  ],
];

for (const [name, refusal, pairOf] of strangers) {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    test(`createTlsGate refuses a client ${name} over ${maxVersion}, and says so`, async (t) => {
      const at = await start(t);
      assert.notEqual(await ask(at.client(pairOf(at), { maxVersion })), "0");
      await until(() => at.refused.length > 0);
      assert.deepEqual(at.refused, [refusal]);
      assert.deepEqual(at.calls, []);
      assert.equal(
        await ask(at.client(at.made("envoy", { by: at.clientCa }), { maxVersion })),
        "0",
      );
    });
  }
}

const names = ["spiffe://td/ns/edge/sa/envoy", "envoy.edge.svc", "last.example"];
const nameCases: readonly (readonly [readonly string[], boolean])[] = [
  [["spiffe://td/ns/edge/sa/envoy"], true],
  [["other.example", "envoy.edge.svc"], true],
  [["last.example", "other.example"], true],
  [["a.example", "envoy.edge.svc", "b.example"], true],
  [["other.example"], false],
  [["127.0.0.1"], false],
  [["spiffe://td/ns/edge/sa/envoy2"], false],
  [["spiffe://td/ns/edge/sa"], false],
  [["x.envoy.edge.svc", "*.edge.svc"], false],
  [["spiffe://td/x, DNS:envoy.edge.svc"], false],
  [["spiffe://td/x, DNS:envoy.edge.svc, URI:spiffe://y"], false],
  [['spiffe://td/x", DNS:envoy.edge.svc, "'], false],
  [["ENVOY.edge.svc"], false],
];

for (const [held, isAllowed] of nameCases) {
  test(`createTlsGate ${isAllowed ? "takes" : "refuses"} a client of the names ${held.join(" and ")}`, async (t) => {
    const { client, made, clientCa, refused } = await start(t, {
      settings: { ...mutual, clientNames: names },
    });
    const answer = await ask(client(made("envoy", { by: clientCa, names: held })));
    assert.equal(answer === "0", isAllowed, answer);
    assert.deepEqual(refused, isAllowed ? [] : ["name_not_allowed"]);
  });
}

test("createTlsGate refuses a TLS version below the lowest, plain text and noise", async (t) => {
  const { client, address, made, clientCa, refused } = await start(t, {
    settings: { ...mutual, minVersion: "1.3" },
  });
  const envoy = made("envoy", { by: clientCa });
  assert.notEqual(await ask(client(envoy, { maxVersion: "TLSv1.2" })), "0");
  assert.equal(await ask(client(envoy, { maxVersion: "TLSv1.3" })), "0");
  const plain = connect(`http://${address}`);
  assert.notEqual(await ask(plain), "0");
  const [host = "", port = ""] = address.split(":");
  const noise = connectTcp(Number(port), host);
  noise.on("error", () => {});
  noise.end(Buffer.alloc(100, 0xff));
  await until(() => refused.length >= 3);
  assert.deepEqual(new Set(refused), new Set(["handshake"]));
  assert.equal(await ask(client(envoy)), "0");
});

test("createTlsGate takes a client that names no protocol, as Envoy's health checks, and no other than h2", async (t) => {
  const { address, made, ca, clientCa, refused } = await start(t);
  const { cert, key } = made("envoy", { by: clientCa });
  const [host = "", port = ""] = address.split(":");
  const connection = (protocols: readonly string[]): TLSSocket => {
    const pair = { cert: readFileSync(cert), key: readFileSync(key), ca: readFileSync(ca.cert) };
    const more = protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] };
    return connectTls({ host, port: Number(port), ...pair, ...more });
  };
  const over = (protocols: readonly string[]): Promise<string> => {
    const session = connect(`https://${address}`, {
      createConnection: () => connection(protocols),
    });
    t.after(() => session.destroy());
    return ask(session);
  };
  assert.equal(await over(["h2"]), "0");
  const silent = connection([]);
  t.after(() => silent.destroy());
  silent.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  // Its settings: the server speaks HTTP/2.
  const [first] = (await once(silent, "data")) as [Buffer];
  assert.equal(first[3], 4);
  assert.notEqual(await over(["http/1.1"]), "0");
  await until(() => refused.length > 0);
  assert.deepEqual(refused, ["handshake"]);
});

test("createTlsGate shows a new certificate to new connections and leaves open ones alone", async (t) => {
  const { client, made, ca, clientCa, gate, materialOf } = await start(t);
  const envoy = made("envoy", { by: clientCa });
  const old = client(envoy);
  assert.equal(await ask(old), "0");
  const second = made("second", { by: ca });
  gate.replace(materialOf(second, clientCa));
  assert.equal(await ask(old), "0");
  const fresh = client(envoy);
  assert.equal(await ask(fresh), "0");
  const socket = fresh.socket as TLSSocket;
  assert.equal(socket.getPeerCertificate().subject.CN, "second");
});

test("createTlsGate ends connections whose authority is gone, and keeps the others", async (t) => {
  const { client, made, server, clientCa, gate, materialOf, refused } = await start(t);
  const envoy = made("envoy", { by: clientCa });
  const old = client(envoy);
  assert.equal(await ask(old), "0");
  const nextCa = made("next-ca");
  const next = made("next", { by: nextCa });
  gate.replace(materialOf(server, nextCa));
  await until(() => old.closed || old.destroyed);
  assert.notEqual(await ask(client(envoy)), "0");
  await until(() => refused.length > 0);
  assert.deepEqual(refused, ["untrusted"]);
  const kept = client(next);
  assert.equal(await ask(kept), "0");
  gate.replace(materialOf(server, nextCa));
  assert.equal(await ask(kept), "0");
});

test("createTlsGate ends a connection when the client's certificate does", async (t) => {
  const { client, made, clientCa } = await start(t);
  const session = client(made("brief", { by: clientCa, lifeMs: 2500 }));
  assert.equal(await ask(session), "0");
  await until(() => session.closed || session.destroyed);
});

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`createTlsGate judges each connection by its own handshake over ${version}`, async (t) => {
    const { client, made, clientCa } = await start(t);
    const envoy = made("envoy", { by: clientCa });
    const versions = { minVersion: version, maxVersion: version };
    const first = client(envoy, versions);
    const socket = first.socket as TLSSocket;
    const sessions: Buffer[] = [];
    socket.on("session", (session) => sessions.push(session));
    assert.equal(await ask(first), "0");
    const resumed = sessions.at(-1) ?? socket.getSession();
    assert.ok(resumed !== undefined);
    const again = client(envoy, { ...versions, session: resumed });
    assert.equal(await ask(again), "0");
    assert.equal((again.socket as TLSSocket).isSessionReused(), false);
  });
}

test("tlsRefusals are all shown by these tests", () => {
  const shown = new Set([
    ...strangers.map(([, refusal]) => refusal),
    "name_not_allowed",
    "handshake",
  ]);
  assert.deepEqual(shown, new Set(tlsRefusals));
});
