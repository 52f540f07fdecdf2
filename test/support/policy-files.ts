// Policies for tests and the demo: manifests written into a folder that the authorizer watches, with fresh keys.

import { createHash, randomBytes } from "node:crypto";
import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { envoyFolder } from "./envoy-config.ts";

export type Manifest = {
  readonly kind: "ModelAlias" | "Team" | "VirtualKey" | "AccessGroup" | "Model";
  readonly name: string;
  readonly spec: Readonly<Record<string, unknown>>;
};

export type Secret = { readonly value: string; readonly keyHash: string };

/** A secret in the format of `aliasguard key new`. */
export function mintSecret(): Secret {
  const value = `ag_${randomBytes(4).toString("hex")}_${randomBytes(32).toString("base64url")}`;
  return { value, keyHash: `sha256:${createHash("sha256").update(value).digest("hex")}` };
}

export class PolicyFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
  }

  /** The example that deploy/envoy ships. */
  copyExample(): void {
    cpSync(join(envoyFolder, "policy"), this.path, { recursive: true });
  }

  /** Writes or replaces one file, whole, as an editor does. */
  write(file: string, manifests: readonly Manifest[]): void {
    const documents = manifests.map(({ kind, name, spec }) =>
      stringify({ apiVersion: "aliasguard.dev/v1alpha1", kind, metadata: { name }, spec }),
    );
    this.writeText(file, documents.join("---\n"));
  }

  writeText(file: string, text: string): void {
    const draft = join(this.path, `.${file}.draft`);
    writeFileSync(draft, text);
    renameSync(draft, join(this.path, file));
  }

  remove(file: string): void {
    rmSync(join(this.path, file));
  }
}
