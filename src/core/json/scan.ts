// The scanner of a process: SIMD in WebAssembly walks the body and admits what is beyond doubt; whatever it gives up on,
// and every body where WebAssembly is missing, goes to the plain scanner, whose word the answer then is.

import { isUtf8 } from "node:buffer";
import { createPlainScanner } from "./plain.ts";
import type { JsonScanner } from "./result.ts";
import { createSimdWalk } from "./simd.ts";

export {
  type JsonMember,
  type JsonScan,
  type JsonScanner,
  type JsonScanOptions,
  jsonDepthMax,
  jsonNumberLengthMax,
} from "./result.ts";

/** The scanner keeps less than 1 MiB between bodies, whatever they held. `hashSeed`: a 32-bit integer, kept secret. */
export function createJsonScanner({ hashSeed }: { readonly hashSeed: number }): JsonScanner {
  const scan = createPlainScanner({ hashSeed });
  const walk = createSimdWalk({ hashSeed });
  if (walk === undefined) return scan;
  return (bytes, options) =>
    (isUtf8(bytes) ? walk(bytes, options) : undefined) ?? scan(bytes, options);
}
