// The logs of all pods, also of those that are gone: the kubelet removes a log with its pod, so each is linked to a place
// of its own while it is there.

import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const state = process.env["ALIASGUARD_CLUSTER"] ?? "";
const current = join(state, "pod-logs");
const kept = join(state, "kept-logs");
const everyMs = 300;

export type PodLog = { readonly pod: string; readonly text: string };

/** Keeps from now on; the timer does not keep the process alive. */
export function keepLogs(): void {
  mkdirSync(kept, { recursive: true });
  setInterval(keep, everyMs).unref();
}

function keep(): void {
  for (const name of readdirSync(current, { recursive: true, encoding: "utf8" })) {
    const link = join(kept, name.replaceAll("/", " "));
    if (!name.endsWith(".log") || existsSync(link)) continue;
    try {
      linkSync(join(current, name), link);
    } catch {
      // The pod was removed in this moment.
    }
  }
}

/** By namespace, pod, container and number of its run. */
export function keptLogs(): readonly PodLog[] {
  keep();
  return readdirSync(kept).map((pod) => ({ pod, text: readFileSync(join(kept, pod), "utf8") }));
}
