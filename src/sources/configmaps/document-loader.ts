// Loads policy documents: a small one at once, on the loop; the others one after another in a thread that stays. It knows
// the shards of the document before, and only the others are sent there and decoded. A thread that failed is replaced.

import type { WholeDocument } from "../../policy/document/document.ts";
import { loadDocument } from "../loading/load-document.ts";
import type { DocumentAnswer, DocumentRequest } from "../loading/load-messages.ts";
import { defaultLoadLimits, type LoadLimits, PolicyThread } from "../loading/policy-thread.ts";

/**
 * Characters of the records of a document that is small: about 200 objects. Up to here the loop is held for no longer than
 * it is by taking over the snapshot from the thread (5 ms), the policy is in force in half of the time, and a process
 * without the thread is 30 MiB smaller.
 */
export const smallLengthMax = 32 * 1024;

export type DocumentLoader = {
  /**
   * The answer itself where the document is small. Otherwise answers come in the order of the calls; rejects with a
   * sentence for the log when the load failed, or was ended.
   */
  load(document: WholeDocument, about: LoadAbout): DocumentAnswer | Promise<DocumentAnswer>;
  /** Ends all loads, and the thread; a later load opens another. Resolves when nothing of it runs any more. */
  end(): Promise<void>;
};

export type LoadAbout = Pick<DocumentRequest, "nowMs" | "inForce">;

export type LoaderOptions = {
  /** Default: `smallLengthMax`. */
  readonly lengthMax?: number;
  readonly limits?: LoadLimits;
};

export function createDocumentLoader({
  lengthMax = smallLengthMax,
  limits = defaultLoadLimits,
}: LoaderOptions = {}): DocumentLoader {
  let ending = new AbortController();
  let thread: PolicyThread | undefined;
  /** Places of the shards that the thread knows. */
  let held: ReadonlySet<string> = new Set();
  let last: Promise<unknown> = Promise.resolve();

  const endThread = async (): Promise<void> => {
    const ended = thread;
    thread = undefined;
    held = new Set();
    await ended?.end();
  };

  const loadInThread = async (
    { shards, ...document }: WholeDocument,
    about: LoadAbout,
    signal: AbortSignal,
  ): Promise<DocumentAnswer> => {
    if (signal.aborted) throw new Error("loading was stopped");
    if (thread?.isUsable() !== true) {
      await endThread();
      thread = new PolicyThread(limits);
    }
    const sent = shards.map(({ place, shard, text }) =>
      held.has(place) ? { place, shard } : { place, shard, text },
    );
    const { revision, catalogue, formatVersion, skippable } = document;
    const request = { ...about, revision, catalogue, formatVersion, skippable, shards: sent };
    const answer = await thread.ask("document", request, signal);
    // What was refused is not kept there.
    if (answer.kind !== "refused") held = new Set(shards.map(({ place }) => place));
    return answer;
  };

  return {
    load(document, about) {
      const length = document.shards.reduce((sum, { text }) => sum + text.length, 0);
      if (length <= lengthMax) return loadDocument({ ...document, ...about });
      const { signal } = ending;
      const load = last.then(async () => {
        try {
          return await loadInThread(document, about, signal);
        } catch (error) {
          await endThread();
          throw error;
        }
      });
      last = load.catch(() => {});
      return load;
    },
    async end() {
      ending.abort();
      ending = new AbortController();
      await Promise.all([last, endThread()]);
    },
  };
}
