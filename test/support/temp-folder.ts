// Temporary folders that are removed when their owner says so, and at the latest when the process ends.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onProcessEnd } from "./process-end.ts";

export type TempFolder = { readonly path: string; remove(): void };

/** Makes a folder that only this user can read. Removing it twice does no harm. */
export function createTempFolder(name: string): TempFolder {
  const path = mkdtempSync(join(tmpdir(), `aliasguard-${name}-`));
  const removeNow = (): void => rmSync(path, { recursive: true, force: true });
  const disarm = onProcessEnd(removeNow);
  return {
    path,
    remove() {
      disarm();
      removeNow();
    },
  };
}
