// The images of the cluster test, made without a container engine: aliasguard as deploy/ has it, Envoy, and a backend.

import { cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { getEnvoy } from "../support/get-envoy.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { command, kitCommand, project } from "./kube.ts";
import { images } from "./manifests.ts";

const { version } = JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as {
  readonly version: string;
};

/** Builds all three and imports them. */
export async function makeImages(): Promise<void> {
  const folder = createTempFolder("images");
  try {
    await Promise.all([aliasguard(folder.path), envoy(folder.path), echo(folder.path)]);
  } finally {
    folder.remove();
  }
}

async function aliasguard(folder: string): Promise<void> {
  const root = join(folder, "aliasguard");
  await command("bash", join(project, "deploy/image/assemble"), root);
  await pack(root, `${images.aliasguard}:${version}`, ...dockerfileFlags());
}

/** USER, WORKDIR, ENV and ENTRYPOINT of deploy/Dockerfile's last stage. */
function dockerfileFlags(): readonly string[] {
  const text = readFileSync(join(project, "deploy/Dockerfile"), "utf8")
    .split(/^FROM /m)
    .at(-1);
  const word = (name: string): string => {
    const found = new RegExp(`^${name} (.*)$`, "m").exec(text ?? "")?.[1];
    if (found === undefined) throw new Error(`deploy/Dockerfile has no ${name}`);
    return found;
  };
  const flags = ["--user", word("USER"), "--workdir", word("WORKDIR"), "--env", word("ENV")];
  const entrypoint = JSON.parse(word("ENTRYPOINT")) as readonly string[];
  return [...flags, ...entrypoint.flatMap((each) => ["--entrypoint", each])];
}

async function envoy(folder: string): Promise<void> {
  const root = join(folder, "envoy");
  await kitCommand("rootfs", root, `${await getEnvoy()}=/usr/local/bin/envoy`);
  await pack(root, images.envoy, "--user", "65532:65532", "--entrypoint", "/usr/local/bin/envoy");
}

async function echo(folder: string): Promise<void> {
  const root = join(folder, "echo");
  await kitCommand("rootfs", root, `${process.execPath}=/usr/local/bin/node`);
  mkdirSync(join(root, "app"));
  cpSync(join(import.meta.dirname, "echo.mts"), join(root, "app/echo.mts"));
  const words = ["/usr/local/bin/node", "/app/echo.mts"];
  const entrypoint = words.flatMap((each) => ["--entrypoint", each]);
  await pack(root, images.echo, "--user", "65532:65532", ...entrypoint);
}

async function pack(root: string, name: string, ...flags: readonly string[]): Promise<void> {
  await kitCommand("image", root, name, ...flags);
  rmSync(root, { recursive: true });
}
