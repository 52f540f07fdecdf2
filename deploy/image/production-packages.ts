// Prints the folders of the packages that run in production, one a line, as package-lock.json has them: what
// `npm ci --omit=dev` would install, read from a tree that is installed already.

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

type LockedPackage = {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
};

const root = fileURLToPath(new URL("../..", import.meta.url));
const lock = JSON.parse(readFileSync(`${root}/package-lock.json`, "utf8")) as {
  readonly packages: Readonly<Record<string, LockedPackage>>;
};

for (const [folder, { dev, devOptional, optional }] of Object.entries(lock.packages)) {
  if (folder === "" || dev === true || devOptional === true) continue;
  if (existsSync(`${root}/${folder}`)) process.stdout.write(`${folder}\n`);
  // Optional packages are those of other platforms.
  else if (optional !== true) throw new Error(`${folder} is not installed; run npm ci`);
}
