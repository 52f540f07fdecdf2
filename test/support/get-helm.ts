// Helm for tests, as kube-api.ts finds the API server: from the kit's cache, or built by the kit under CI.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { run } from "./child.ts";
import { kitFolder } from "./kube-api.ts";
import { MissingComponent } from "./requirements.ts";

const minute = 60_000;

/** The path of helm. Throws MissingComponent when there is none and none may be built. */
export async function getHelm(): Promise<string> {
  const helm = join(kitFolder(), "helm");
  if (existsSync(helm)) return helm;
  if (process.env["CI"] !== "true") {
    throw new MissingComponent("`test/cluster/build helm` builds helm (about 2 minutes, once)");
  }
  const args = [join(import.meta.dirname, "../cluster/build"), "helm"];
  const made = await run({ name: "kit build", command: "bash", args }, 30 * minute);
  if (made.code !== 0) throw new MissingComponent(`test/cluster/build helm failed: ${made.stderr}`);
  return helm;
}
