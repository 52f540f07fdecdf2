// Loads the policy in files, in a thread for each load: what parses YAML needs much memory, and files rarely change.

import type { LoadAnswer, LoadRequest } from "./load-messages.ts";
import { defaultLoadLimits, type LoadLimits, PolicyThread } from "./policy-thread.ts";

/** Rejects with a sentence for the log when the load takes too long, needs too much, or `signal` aborts. */
export async function loadPolicy(
  request: LoadRequest,
  signal: AbortSignal,
  limits: LoadLimits = defaultLoadLimits,
): Promise<LoadAnswer> {
  const thread = new PolicyThread(limits);
  try {
    return await thread.ask("manifests", request, signal);
  } finally {
    await thread.end();
  }
}
