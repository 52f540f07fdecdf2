// What a source and the thread that loads for it say to each other. Everything here survives a structured clone: values,
// Maps and Sets, no functions.

import type { MessagePort } from "node:worker_threads";
import type { CatalogueWord, Snapshot } from "../../core/permission/snapshot.ts";
import type { WholeDocument, WholeShard } from "../../policy/document/document.ts";
import type { LeftOutRecord } from "../../policy/document/shards.ts";
import type { LocatedProblem } from "../../policy/problem.ts";
import type { PolicyCounts } from "../source.ts";

/** Load the manifests in files. */
export type LoadRequest = {
  readonly path: string;
  readonly nowMs: number;
  readonly catalogue: CatalogueWord;
  /** Content that is wanted: where something else is read, for the file changed once more, it is not compiled. */
  readonly wantedHash: string | undefined;
};

export type LoadedPolicy = {
  readonly kind: "loaded";
  readonly contentHash: string;
  readonly snapshot: Snapshot;
  readonly counts: PolicyCounts;
  readonly problems: readonly LocatedProblem[];
  /** Problems that are `invalid`, counted without a cap, and how many resources could be decoded. */
  readonly invalid: number;
  readonly found: number;
};

/** The content is no longer the wanted one. */
export type ChangedPolicy = { readonly kind: "changed"; readonly contentHash: string };

export type LoadAnswer = LoadedPolicy | ChangedPolicy;

/** A shard whose text is left out is one that the thread knows from the document that it loaded last. */
export type SentShard = Omit<WholeShard, "text"> & { readonly text?: string };

/** Load a policy document. */
export type DocumentRequest = Pick<
  WholeDocument,
  "revision" | "catalogue" | "formatVersion" | "skippable"
> & {
  readonly shards: readonly SentShard[];
  readonly nowMs: number;
  /** The revision in force, which is decoded and not compiled; undefined: there is none. */
  readonly inForce: string | undefined;
};

export type DocumentAnswer =
  | {
      readonly kind: "loaded";
      readonly snapshot: Snapshot;
      readonly counts: PolicyCounts;
      /** Records of a newer writer that say what this reader must know and does not: their objects are not in force. */
      readonly leftOut: readonly LeftOutRecord[];
    }
  /** It is the one in force. */
  | { readonly kind: "unchanged" }
  | { readonly kind: "refused"; readonly message: string };

/** By the name of what is asked for. */
export type Exchanges = {
  readonly manifests: { readonly request: LoadRequest; readonly answer: LoadAnswer };
  readonly document: { readonly request: DocumentRequest; readonly answer: DocumentAnswer };
};

/** What the thread is told. The parts of a snapshot go through `parts`, in bundles, before the answer. */
export type ThreadTask = {
  [Name in keyof Exchanges]: {
    readonly name: Name;
    readonly request: Exchanges[Name]["request"];
    readonly parts: MessagePort;
  };
}[keyof Exchanges];

/** An answer as it crosses: the snapshot has gone ahead. */
export type Crossing<Answer> = Answer extends { readonly snapshot: Snapshot }
  ? Omit<Answer, "snapshot">
  : Answer;

export type ThreadAnswer = Crossing<LoadAnswer | DocumentAnswer>;
