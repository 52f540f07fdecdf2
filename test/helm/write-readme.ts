// Writes the tables of the chart's README from values.yaml and the settings.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chartFolder } from "./run-helm.ts";
import { withTables } from "./values-tables.ts";

const path = join(chartFolder, "README.md");
writeFileSync(path, withTables(readFileSync(path, "utf8")));
