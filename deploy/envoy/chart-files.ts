// What the chart takes from here: both bootstraps as data and the script, so that every rendering of the chart holds the
// very filters, replies and routes that stand in the shipped configurations.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { configFiles, type Mode, renderEnvoyConfig } from "./write.ts";

export const chartFilesFolder = join(import.meta.dirname, "../../helm/aliasguard/files/gateway");

const modes: readonly Mode[] = ["ext_authz", "ext_proc"];

/** Name in the folder, and text. */
export function chartFiles(): ReadonlyMap<string, string> {
  const files = new Map<string, string>(
    modes.map((mode) => [configFiles[mode], asData(renderEnvoyConfig(mode))]),
  );
  files.set("splice.lua", readFileSync(join(import.meta.dirname, "splice.lua"), "utf8"));
  return files;
}

/** Without comments, and with every text on one line: Helm's own reader of YAML takes it as it is. */
function asData(bootstrap: string): string {
  const head = "# Written by npm run envoy-configs from deploy/envoy; a test compares.\n";
  return head + stringify(parse(bootstrap), { lineWidth: 0, aliasDuplicateObjects: false });
}

if (process.argv[1] === import.meta.filename) {
  for (const [name, text] of chartFiles()) writeFileSync(join(chartFilesFolder, name), text);
}
