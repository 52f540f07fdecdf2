// The process log: pino as JSON lines on standard output, without worker transports, which lose lines in a crash.

import { type DestinationStream, type Logger, pino } from "pino";

export type { Logger } from "pino";

/** `level` silent writes nothing. `destination` is standard output unless a test wants to read along. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return destination === undefined ? pino(options) : pino(options, destination);
}
