// What the core learns from a request body: the contract between the readers of bodies (JSON and multipart) and the
// decision.

import type { DenyDetail, DenyReason } from "../denials.ts";
import type { JsonKind } from "../json/token.ts";

/** A place in the body that names a model. */
export type ModelToken = {
  /** The decoded name; within the model grammar, except where the path overrides it. */
  readonly name: string;
  /** Where the whole token stands, quotes included, in bytes from the start of the body. */
  readonly offset: number;
  readonly length: number;
  /** Which field it is, e.g. `model`, `tools[].parameters.model`: printable ASCII, 128 characters at most. */
  readonly place: string;
  /** How it is written there: as a JSON string, or as bare bytes (the value of a part of a form). */
  readonly form: "json" | "bare";
  /** What stands before the name in the same token and stays there: `models/` in Gemini's bodies, else empty. */
  readonly prefix: "" | "models/";
  /** Where the part of the form that it stands in says its own length: to be edited with it. */
  readonly partLength?: PartLength;
};

/** The content-length header of one part of a form: the same object in every token of that part. */
export type PartLength = {
  /** Where its digits begin, in bytes from the start of the body. */
  readonly offset: number;
  /** What they say. */
  readonly bytes: number;
};

/** A field of the body that must be admitted, or is refused. */
export type FoundField = {
  /** As refusals and settings name it: `prompt_id`, `metadata.langfuse_*`. */
  readonly path: string;
  /** Its own name where a family is listed: `metadata.langfuse_host`. */
  readonly ownPath: string;
  /** `always`: whatever serves the models that can run. `router`: where a router serves one. */
  readonly refusedFor: "always" | "router";
  /** In bytes from the start of the body. */
  readonly offset: number;
};

export type TopField = { readonly key: string; readonly kind: JsonKind };

export type BodyReading =
  | {
      readonly ok: true;
      /** The top-level one; undefined only where it is not required. */
      readonly model: ModelToken | undefined;
      /** Further spellings of the main model, which must be the same one (Gemini's `requests[].model`). */
      readonly sameModels: readonly ModelToken[];
      /** Models beside the main one, in the order in which they stand; each is checked like it. */
      readonly nestedModels: readonly ModelToken[];
      /** What is not known of the body, in the order in which it stands: judged once it is known which models can run. */
      readonly fields: readonly FoundField[];
      /** What the top level holds. */
      readonly names: readonly TopField[];
      /** The types of the tools, wherever they stand. */
      readonly toolTypes: ReadonlySet<string>;
    }
  | { readonly ok: false; readonly reason: DenyReason; readonly detail: DenyDetail };
