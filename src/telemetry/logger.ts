// The process log: JSON lines on standard output, without worker transports, which lose lines in a crash.

import { type DestinationStream, type Logger as PinoLogger, pino } from "pino";
import { standardOutput } from "./log-output.ts";

export type Logger = PinoLogger & {
  /** Takes lines that are serialized already, whatever the level. */
  readonly output: DestinationStream;
};

/** `level` silent writes nothing. `output` is standard output unless somebody wants to read along, or to count. */
export function createLogger(level: string, output: DestinationStream = standardOutput()): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (word: string) => ({ level: word }) },
  };
  return Object.assign(pino(options, output), { output });
}
