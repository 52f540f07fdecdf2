// A line at debug for each name of a request header that backends do not get, once a name: what an operator looks for who
// misses one there. Never a value.

import type { CheckObservation } from "../core/observation.ts";
import type { Logger } from "./logger.ts";

/** Names that are remembered, of at most so many characters each: callers choose them, and every new one is a line. */
const namesMax = 1000;
const nameLengthMax = 64;

export function createHeaderLog(logger: Logger): (observation: CheckObservation) => void {
  const told = new Set<string>();
  return ({ decision }) => {
    if (decision.kind !== "allow" && decision.kind !== "pass") return;
    const { droppedHeaders = [] } = decision;
    if (droppedHeaders.length === 0 || !logger.isLevelEnabled("debug")) return;
    for (const { name, kind, row } of droppedHeaders) {
      const header = name.slice(0, nameLengthMax);
      if (told.has(header) || told.size === namesMax) continue;
      told.add(header);
      logger.debug({ header, kind, row }, "header dropped");
    }
  };
}
