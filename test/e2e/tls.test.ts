// TLS between the real Envoy and the authorizer, both sides checked: certificates rotate under load without a failed check,
// and what does not fit is refused and said.

import assert from "node:assert/strict";
import { copyFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { parse } from "yaml";
import { authorizerTls } from "../../deploy/envoy/write.ts";
import { type CertificateFiles, makeCertificate } from "../support/certificates.ts";
import { run } from "../support/child.ts";
import { type ConfigChange, type ConfigNode, cluster, modes } from "../support/envoy-config.ts";
import { alice, assertExact, chat, Stack, skip } from "../support/start-stack.ts";
import { createTempFolder, type TempFolder } from "../support/temp-folder.ts";

const serverName = "aliasguard.example";
const clientName = "spiffe://edge.example/envoy";
const main = join(import.meta.dirname, "../../src/main.ts");

/** Two authorities, and the files that each side reads. */
class Certificates {
  readonly folder: TempFolder = createTempFolder("tls");
  readonly ca: CertificateFiles;
  readonly clientCa: CertificateFiles;
  readonly #files: Readonly<Record<"cert" | "key" | "client" | "authorities", string>>;

  constructor() {
    const { path } = this.folder;
    const at = (name: string): string => join(path, name);
    this.#files = {
      ...{ cert: at("tls.crt"), key: at("tls.key") },
      ...{ client: at("client.yaml"), authorities: at("authorities.yaml") },
    };
    this.ca = this.made("ca");
    this.clientCa = this.made("client-ca");
    this.serve(this.server("server"));
    this.present(this.client("envoy"));
    this.#sds("authorities", { validation_context: { trusted_ca: { filename: this.ca.cert } } });
  }

  made(name: string, by?: CertificateFiles, names?: readonly string[], lifeMs = 86_400_000) {
    const more = { ...(by === undefined ? {} : { by }), ...(names === undefined ? {} : { names }) };
    return makeCertificate(this.folder.path, { name, ...more, lifeMs });
  }

  server(name: string, lifeMs?: number): CertificateFiles {
    return this.made(name, this.ca, [serverName, "127.0.0.1"], lifeMs);
  }

  client(name: string, lifeMs?: number): CertificateFiles {
    return this.made(name, this.clientCa, [clientName], lifeMs);
  }

  /** What the authorizer shows from its next look on; half of it where a half is wanted. */
  serve({ cert, key }: Partial<CertificateFiles>): void {
    if (cert !== undefined) copyFileSync(cert, this.#files.cert);
    if (key !== undefined) copyFileSync(key, this.#files.key);
  }

  /** What Envoy shows on its next connection. */
  present({ cert, key }: CertificateFiles): void {
    const pair = { certificate_chain: { filename: cert }, private_key: { filename: key } };
    this.#sds("client", { tls_certificate: pair });
  }

  get serverFlags(): readonly string[] {
    const { cert, key } = this.#files;
    const pair = [
      `--tls-cert=${cert}`,
      `--tls-key=${key}`,
      `--tls-client-ca=${this.clientCa.cert}`,
    ];
    return [...pair, `--tls-client-names=other.example,${clientName}`, "--tls-min-version=1.3"];
  }

  /** The block that deploy/envoy has in comments, with these files. */
  readonly change: ConfigChange = (config) => {
    const { client, authorities } = this.#files;
    const block = authorizerTls
      .replace("/etc/envoy/tls/client.yaml", client)
      .replace("/etc/envoy/tls/authorities.yaml", authorities);
    Object.assign(config, { node: { id: "envoy", cluster: "envoy" } });
    Object.assign(cluster(config, "authorizer"), parse(block) as ConfigNode);
  };

  /** Envoy reads such a file anew when it is moved into place. */
  #sds(name: "client" | "authorities", secret: object): void {
    const type = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
    const file = this.#files[name];
    writeFileSync(
      `${file}.new`,
      JSON.stringify({ resources: [{ "@type": type, name, ...secret }] }),
    );
    renameSync(`${file}.new`, file);
  }
}

async function until(isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let looks = 0; !(await isTrue()); looks += 1) {
    assert.ok(looks < 150, `not within 15 s: ${what}`);
    await delay(100);
  }
}

async function metric(stack: Stack, line: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${stack.authorizer.adminPort}/metrics`);
  const text = await answer.text();
  const found = text.split("\n").find((each) => each.startsWith(`${line} `));
  return Number(found?.split(" ")[1] ?? 0);
}

for (const mode of modes) {
  describe(`TLS to the authorizer over ${mode}`, { skip }, () => {
    let certificates: Certificates;
    let stack: Stack;
    before(async () => {
      certificates = new Certificates();
      stack = await Stack.start([certificates.change], mode, certificates.serverFlags);
    });
    after(async () => {
      await stack.stop();
      certificates.folder.remove();
    });

    const logged = (what: string): number =>
      stack.authorizer.log().filter((line) => JSON.stringify(line).includes(what)).length;
    const loads = (): number => logged("TLS certificate loaded");
    const answered = async (): Promise<boolean> => {
      const { status } = await stack.ask(alice.value, chat("AgentX-LLM"));
      return status === 200;
    };

    it("runs the resolved model, and Envoy's health checks pass", async () => {
      const sent = chat("AgentX-LLM");
      assert.equal((await stack.ask(alice.value, sent)).status, 200);
      assertExact(stack, sent);
      const stat = "cluster.authorizer.health_check.success";
      await until(async () => (await stack.envoy.stat(stat)) > 0, "a health check that passes");
      assert.ok((await stack.envoy.stat("cluster.authorizer.ssl.handshake")) > 0);
    });

    it("rotates both certificates under load, torn pairs between, with no failed check", async () => {
      let isLoading = true;
      const statuses = new Map<number, number>();
      const caller = async (): Promise<void> => {
        while (isLoading) {
          const { status } = await stack.ask(alice.value, chat("AgentX-LLM"));
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
      };
      const callers = [caller(), caller(), caller(), caller()];
      for (const turn of ["a", "b", "c"]) {
        const next = certificates.server(`server-${turn}`);
        const torn = "do not belong together";
        const [before, tornBefore] = [loads(), logged(torn)];
        certificates.serve({ cert: next.cert });
        await until(() => logged(torn) > tornBefore, "the torn pair is said");
        assert.equal(loads(), before);
        certificates.serve({ key: next.key });
        await until(() => loads() > before, "the whole pair is loaded");
        certificates.present(certificates.client(`envoy-${turn}`));
        await delay(500);
      }
      isLoading = false;
      await Promise.all(callers);
      assert.deepEqual([...statuses.keys()], [200]);
      assert.ok((statuses.get(200) ?? 0) > 100);
      assert.equal(await metric(stack, 'aliasguard_tls_loads_total{result="replaced"}'), 4);
      assert.ok((await metric(stack, 'aliasguard_tls_loads_total{result="rejected"}')) >= 3);
      const expiry = await metric(stack, "aliasguard_tls_certificate_expiry_timestamp_seconds");
      assert.ok(expiry > Date.now() / 1000);
    });

    it("keeps a certificate that holds over one that has expired, and says so", async () => {
      const before = loads();
      certificates.serve(certificates.server("old", -1000));
      await until(() => logged("the certificate expired at") > 0, "the expired one is said");
      assert.equal(loads(), before);
      assert.ok(await answered());
    });

    it("is asked by check --server with a client's certificate, and not without", async () => {
      const { cert, key } = certificates.client("operator");
      const server = [
        "check",
        "--server",
        `127.0.0.1:${stack.authorizer.port}`,
        "--model",
        "AgentX-LLM",
      ];
      const asked = async (flags: readonly string[]) =>
        run(
          {
            name: "check",
            command: process.execPath,
            args: [main, ...server, "--key", alice.value, ...flags],
          },
          20_000,
        );
      const ca = ["--tls-ca", certificates.ca.cert];
      const own = [...ca, "--tls-cert", cert, "--tls-key", key];
      const good = await asked([...own, "--tls-name", serverName]);
      assert.equal(good.code, 0, good.stderr);
      for (const flags of [[], ca, [...own, "--tls-name", "other.example"]]) {
        const refused = await asked(flags);
        assert.deepEqual([refused.code, refused.stdout], [1, ""], flags.join(" "));
        assert.doesNotMatch(refused.stderr, new RegExp(alice.value));
      }
      await until(() => logged("no_certificate") > 0, "the refusal is said");
    });
  });
}

describe("TLS to the authorizer that does not come about", { skip }, () => {
  const stories: readonly (readonly [string, (at: Certificates) => void, string])[] = [
    [
      "an Envoy of another authority",
      (at) => at.present(at.made("x", at.ca, [clientName])),
      "untrusted",
    ],
    [
      "an Envoy of another name",
      (at) => at.present(at.made("x", at.clientCa, ["spiffe://x/y"])),
      "name_not_allowed",
    ],
    [
      "an Envoy whose certificate has expired",
      (at) => at.present(at.client("x", -1000)),
      "expired",
    ],
    [
      "an authorizer whose certificate has expired",
      (at) => at.serve(at.server("x", -1000)),
      "the certificate expired at",
    ],
    [
      "an authorizer of another name",
      (at) => at.serve(at.made("x", at.ca, ["other.example"])),
      "handshake",
    ],
    [
      "an authorizer of another authority",
      (at) => at.serve(at.made("x", at.clientCa, [serverName])),
      "handshake",
    ],
  ];
  for (const [name, spoil, said] of stories) {
    it(`refuses every request with ${name}, says so, and works once it is mended`, async () => {
      const certificates = new Certificates();
      spoil(certificates);
      const stack = await Stack.start([certificates.change], "ext_proc", certificates.serverFlags);
      try {
        const ask = () => stack.ask(alice.value, chat("AgentX-LLM"));
        for (let count = 0; count < 5; count += 1) assert.ok((await ask()).status >= 500);
        assert.equal(stack.backend.received.length, 0);
        const log = (): string => JSON.stringify(stack.authorizer.log());
        await until(() => log().includes(said), `it says ${said}`);
        certificates.serve(certificates.server("mended"));
        certificates.present(certificates.client("mended-envoy"));
        await until(async () => (await ask()).status === 200, "it works again");
      } finally {
        await stack.stop();
        certificates.folder.remove();
      }
    });
  }

  it("does not start without a usable pair, and names no file's content", async () => {
    const certificates = new Certificates();
    const torn = certificates.server("torn");
    certificates.serve({ key: torn.key });
    const args = [main, "serve", "--policy", "deploy/envoy/policy", "--listen", "127.0.0.1:0"];
    const more = ["--admin", "127.0.0.1:0", ...certificates.serverFlags];
    const ran = await run(
      { name: "serve", command: process.execPath, args: [...args, ...more] },
      30_000,
    );
    certificates.folder.remove();
    assert.equal(ran.code, 1, ran.stdout);
    assert.match(
      ran.stdout,
      /no TLS certificate can be used: the certificate and the key do not belong together/,
    );
    assert.doesNotMatch(ran.stdout + ran.stderr, /BEGIN|PRIVATE/);
  });
});
