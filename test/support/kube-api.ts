// A real etcd and kube-apiserver for tests: from KUBEBUILDER_ASSETS (the convention of envtest), from the kit's cache, or
// built by the kit under CI. Objects are sent by plain HTTPS with the admin's certificate: no client library of the
// product's stands between a test and the server's verdict.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { homedir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { run } from "./child.ts";
import { onProcessEnd } from "./process-end.ts";
import { MissingComponent } from "./requirements.ts";
import { createTempFolder } from "./temp-folder.ts";

const kit = join(import.meta.dirname, "../cluster");
const minute = 60_000;

export type KubeAnswer = {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
};

export type KubeApi = {
  readonly kubeconfig: string;
  /** kubectl of the server's version. */
  readonly kubectl: string;
  /** One request; `body` is sent as JSON, or as it is with a type of its own. `more` are further headers. */
  send(
    method: string,
    path: string,
    body?: unknown,
    type?: string,
    more?: Readonly<Record<string, string>>,
  ): Promise<KubeAnswer>;
  stop(): Promise<void>;
};

/** The folder of etcd, kube-apiserver and kubectl. Throws MissingComponent when there is none and none may be built. */
export async function getKubeBinaries(): Promise<string> {
  const named = process.env["KUBEBUILDER_ASSETS"];
  if (named !== undefined && named !== "") {
    if (existsSync(join(named, "kube-apiserver"))) return named;
    throw new MissingComponent("KUBEBUILDER_ASSETS names a folder without kube-apiserver.");
  }
  const built = kitFolder();
  if (existsSync(join(built, "kube-apiserver")) && existsSync(join(built, "kubectl"))) return built;
  if (process.env["CI"] !== "true") {
    throw new MissingComponent(
      "`test/cluster/build api` builds an API server (about 5 minutes, once)",
    );
  }
  const args = [join(kit, "build"), "api"];
  const made = await run({ name: "kit build", command: "bash", args }, 45 * minute);
  if (made.code !== 0) throw new MissingComponent(`test/cluster/build api failed: ${made.stderr}`);
  return built;
}

/** Where the kit puts what it builds. */
export function kitFolder(): string {
  const [, version = ""] =
    /KUBERNETES=v([0-9.]+)/.exec(readFileSync(join(kit, "lib.sh"), "utf8")) ?? [];
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(process.env["ALIASGUARD_KIT"] ?? join(cache, "aliasguard-kit", version), "bin");
}

/** Starts a server of the test's own; it takes some three seconds. */
export async function startKubeApi(binaries: string): Promise<KubeApi> {
  const folder = createTempFolder("kube");
  const state = join(folder.path, "s");
  const env = { KUBEBUILDER_ASSETS: binaries };
  const end = async (): Promise<void> => {
    const args = [join(kit, "down"), "--state", state];
    await run({ name: "kit down", command: "bash", args, env }, minute);
    folder.remove();
  };
  const disarm = onProcessEnd(() => {
    spawnSync("bash", [join(kit, "down"), "--state", state], { env: { ...process.env, ...env } });
  });
  const args = [join(kit, "up"), "api", "--state", state];
  const up = await run({ name: "kit up", command: "bash", args, env }, 2 * minute);
  if (up.code !== 0) {
    disarm();
    await end();
    throw new Error(`the API server did not start: ${up.stderr}`);
  }
  const kubeconfig = up.stdout.trim();
  return {
    kubeconfig,
    kubectl: join(binaries, "kubectl"),
    send: senderOf(kubeconfig),
    async stop() {
      disarm();
      await end();
    },
  };
}

/** Not every path answers in JSON: /readyz says `ok`. */
function bodyOf(text: string): KubeAnswer["body"] {
  try {
    return JSON.parse(text) as KubeAnswer["body"];
  } catch {
    return { message: text };
  }
}

type KubeConfig = {
  readonly clusters: readonly [{ readonly cluster: Readonly<Record<string, string>> }];
  readonly users: readonly [{ readonly user: Readonly<Record<string, string>> }];
};

function senderOf(kubeconfig: string): KubeApi["send"] {
  const { clusters, users } = parse(readFileSync(kubeconfig, "utf8")) as KubeConfig;
  const { cluster } = clusters[0];
  const { user } = users[0];
  const bytesOf = (text: string | undefined): Buffer => Buffer.from(text ?? "", "base64");
  const agent = new Agent({
    keepAlive: true,
    ca: bytesOf(cluster["certificate-authority-data"]),
    cert: bytesOf(user["client-certificate-data"]),
    key: bytesOf(user["client-key-data"]),
  });
  const server = cluster["server"] ?? "";
  return (method, path, body, type = "application/json", more = {}) =>
    new Promise((resolve, reject) => {
      const headers = {
        ...more,
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": type }),
      };
      const outgoing = request(`${server}${path}`, { method, agent, headers }, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({
            status: incoming.statusCode ?? 0,
            body: bodyOf(text),
          });
        });
      });
      outgoing.setTimeout(30_000, () => outgoing.destroy(new Error("no answer within 30 seconds")));
      outgoing.on("error", reject);
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
}
