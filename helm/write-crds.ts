// Writes the chart's custom resource definitions. Run: npm run crds

import { mkdirSync, writeFileSync } from "node:fs";
import { stringify } from "yaml";
import { crdDefinitions } from "./crd-schemas.ts";

const folder = new URL("aliasguard/files/crds/", import.meta.url);

/** The text of one definition's file. */
export function crdText(definition: unknown): string {
  const head = "# Written by `npm run crds` from helm/crd-schemas.ts; change it there.\n";
  return head + stringify(definition, { lineWidth: 0, aliasDuplicateObjects: false });
}

if (import.meta.main) {
  mkdirSync(folder, { recursive: true });
  for (const [file, definition] of crdDefinitions) {
    writeFileSync(new URL(file, folder), crdText(definition));
  }
}
