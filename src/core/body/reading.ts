// What the core learns from a request body: the contract between the readers of bodies (JSON and multipart) and the
// decision.

import type { DenyDetail, DenyReason } from "../denials.ts";

/** A place in the body that names a model. */
export type ModelToken = {
  /** The decoded name; within the model grammar, except where the path overrides it. */
  readonly name: string;
  /** Where the whole token stands, quotes included, in bytes from the start of the body. */
  readonly offset: number;
  readonly length: number;
  /** Which field it is, e.g. `model`, `tools[].model`: from a closed list. */
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

export type BodyReading =
  | {
      readonly ok: true;
      /** The top-level one; undefined only where it is not required. */
      readonly model: ModelToken | undefined;
      /** Further spellings of the main model, which must be the same one (Gemini's `requests[].model`). */
      readonly sameModels: readonly ModelToken[];
      /** Models beside the main one, in the order in which they stand; each is checked like it. */
      readonly nestedModels: readonly ModelToken[];
      /** Fields that are refused when a model that can run is served by a router backend. */
      readonly routerFields: readonly string[];
      /** Unknown top-level fields and hosted tools: refused when a model that can run has `strictFields`. */
      readonly strictFields: readonly string[];
    }
  | { readonly ok: false; readonly reason: DenyReason; readonly detail: DenyDetail };
