// The image: its root folder, assembled without a container engine, is all that the commands need; deploy/Dockerfile
// puts the same into /app.

import assert from "node:assert/strict";
import { cpSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it, test } from "node:test";
import { Child, type RunResult, run } from "../support/child.ts";
import { MissingComponent, requirement } from "../support/requirements.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const project = join(import.meta.dirname, "../..");
const dockerfile = readFileSync(join(project, "deploy/Dockerfile"), "utf8");
const manifest = JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
};

test("deploy/Dockerfile runs aliasguard on this project's Node, as the user of the chart", () => {
  const [major = ""] = (manifest.devDependencies["node"] ?? "").split(".");
  const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base);
  assert.deepEqual(new Set(bases), new Set([`node:${major}-slim`]));
  const values = readFileSync(join(project, "helm/aliasguard/values.yaml"), "utf8");
  const user = /^runAsUser: ([0-9]+)$/m.exec(values)?.[1];
  assert.equal(/^USER (\S+)$/m.exec(dockerfile)?.[1], `${user}:${user}`);
  const entry = /^ENTRYPOINT (.*)$/m.exec(dockerfile)?.[1] ?? "";
  assert.deepEqual(JSON.parse(entry), ["/usr/local/bin/node", "/app/src/main.ts"]);
});

/** A chroot needs a Linux and its root. */
const root = await requirement(() => {
  if (process.platform === "linux" && process.getuid?.() === 0) return Promise.resolve("root");
  return Promise.reject(
    new MissingComponent("the image's root folder is entered by root on Linux"),
  );
});

describe("the image's root folder", { skip: root.skip }, () => {
  const folder = createTempFolder("image");
  const image = join(folder.path, "root");
  after(() => folder.remove());
  before(async () => {
    const args = [join(project, "deploy/image/assemble"), image];
    const { code, stderr } = await run({ name: "assemble", command: "bash", args }, 60_000);
    assert.equal(code, 0, stderr);
    cpSync(join(project, "deploy/envoy/policy"), join(image, "tmp/policy"), { recursive: true });
  });

  /** As the container would run it: its files and no others, the user without rights, an environment of its own. */
  const command = (...args: string[]) => {
    const clean = ["-i", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
    const enter = ["chroot", "--userspec=65532:65532", image, "/usr/local/bin/node"];
    return { name: "image", command: "/usr/bin/env", args: [...clean, ...enter, ...args] };
  };
  const aliasguard = (...args: string[]): Promise<RunResult> =>
    run(command("/app/src/main.ts", ...args), 30_000);

  it("says its version", async () => {
    const { code, stdout, stderr } = await aliasguard("--version");
    assert.equal(code, 0, stderr);
    assert.equal(stdout, manifest.version);
  });

  it("has aliasguard on its PATH", async () => {
    const clean = ["-i", "PATH=/usr/local/bin"];
    const enter = ["/usr/sbin/chroot", "--userspec=65532:65532", image, "aliasguard", "--version"];
    const asked = { name: "image", command: "/usr/bin/env", args: [...clean, ...enter] };
    const { code, stdout, stderr } = await run(asked, 30_000);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, manifest.version);
    assert.match(dockerfile, /^COPY deploy\/image\/aliasguard \/usr\/local\/bin\/aliasguard$/m);
  });

  it("lints a policy", async () => {
    const { code, stdout, stderr } = await aliasguard("lint", "/tmp/policy");
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /0 invalid, 0 disabled/);
  });

  it("makes a key, as the chart's notes say", async () => {
    const { code, stdout, stderr } = await aliasguard("key", "new", "alice", "--team", "research");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /kind: VirtualKey/);
  });

  it("serves, and stops when it is told to", async () => {
    const policy = ["--policy", "/tmp/policy", "--drain-delay-ms", "0"];
    const ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    const child = new Child(command("/app/src/main.ts", "serve", ...policy, ...ports));
    const ready = await child
      .until(() => child.stdout.find((line) => line.includes('"msg":"ready"')), 20_000)
      .catch(async (error: unknown) => {
        await child.stop("SIGKILL");
        throw error;
      });
    const { admin } = JSON.parse(ready) as { readonly admin: string };
    const readiness = await fetch(`http://${admin}/readyz`).finally(() => child.stop());
    assert.equal(readiness.status, 200);
    assert.deepEqual(child.exit, { code: 0, signal: undefined });
  });

  it("holds every package that runs, and each loads", async () => {
    const load = `
      const { createRequire } = await import("node:module");
      const { resolve } = createRequire("/app/src/main.ts");
      for (const name of ${JSON.stringify(Object.keys(manifest.dependencies))}) {
        await import(resolve(name));
        console.log(name);
      }`;
    const { code, stdout, stderr } = await run(
      command("--input-type=module", "--eval", load),
      30_000,
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual(stdout.split("\n").sort(), Object.keys(manifest.dependencies).sort());
  });

  it("holds in /app what deploy/Dockerfile copies there, and nothing for development", () => {
    const copied = [...dockerfile.matchAll(/^COPY (?:--from=packages )?(\S+) \.\/\S*$/gm)].map(
      ([, from = ""]) => from.replace("/app/", ""),
    );
    const wanted = copied.filter((name) => !name.startsWith("package-lock"));
    // The first stage copies package.json together with its lock.
    assert.deepEqual(readdirSync(join(image, "app")).sort(), [...new Set(wanted)].sort());
    const packages = readdirSync(join(image, "app/node_modules"));
    for (const name of Object.keys(manifest.devDependencies)) {
      assert.equal(packages.includes(name), false, name);
    }
    assert.equal(packages.includes("pino"), true);
  });

  it("holds nothing that its user could change, but for /tmp", () => {
    const paths = readdirSync(image, { recursive: true, encoding: "utf8" });
    const loose = paths.filter((path) => {
      if (path === "tmp" || path.startsWith("tmp/")) return false;
      const { uid, gid, mode } = lstatSync(join(image, path));
      const isLink = (mode & 0o170_000) === 0o120_000;
      return uid !== 0 || gid !== 0 || (!isLink && (mode & 0o022) !== 0);
    });
    assert.deepEqual(loose, []);
    assert.ok(paths.length > 1000);
  });

  it("is not assembled over what is there already", async () => {
    const args = [join(project, "deploy/image/assemble"), image];
    const { code, stderr } = await run({ name: "assemble", command: "bash", args }, 60_000);
    assert.equal(code, 1);
    assert.match(stderr, /is not empty/);
  });
});
