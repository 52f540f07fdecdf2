// What the core learns from a request body: the contract between the readers of bodies (JSON now, multipart next) and
// the decision.

import type { DenyDetail, DenyReason } from "./decision.ts";

/** A place in the body that names a model. */
export type ModelToken = {
  /** The decoded name; within the model grammar. */
  readonly name: string;
  /** Where the whole token stands, quotes included, in bytes from the start of the body. */
  readonly offset: number;
  readonly length: number;
  /** Which field it is, e.g. `model`, `tools[].model`: from a closed list. */
  readonly place: string;
};

export type BodyReading =
  | {
      readonly ok: true;
      readonly model: ModelToken;
      /** Models beside the main one, in the order in which they stand; each is checked like it. */
      readonly nestedModels: readonly ModelToken[];
      /** Fields that are refused when a model that can run is served by a router backend. */
      readonly routerFields: readonly string[];
      /** Unknown top-level fields and hosted tools: refused when a model that can run has `strictFields`. */
      readonly strictFields: readonly string[];
    }
  | { readonly ok: false; readonly reason: DenyReason; readonly detail: DenyDetail };
