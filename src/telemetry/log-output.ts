// Where log lines go: standard output, which may be full, slow or read by nobody. Checks and the end of the process never wait
// for it: what cannot be written is dropped, counted, and said in the log once lines pass again.

import { fstatSync, writeSync } from "node:fs";

/** Most characters of lines that wait for a reader; a line beyond them is dropped. */
export const waitingCharactersMax = 1024 * 1024;

/** Lines are gathered up to so many characters, or to the end of the turn of the event loop. */
const gatheredCharactersMax = 32 * 1024;

export type LogOutput = {
  /** Takes a line with its end. Never throws, never waits. */
  write(line: string): void;
  /** Lines that were dropped so far. */
  dropped(): number;
};

/** What lines are handed to. */
export type LogSink = {
  /** Writes what it is given, or throws, or calls `failed` later. */
  write(text: string, failed: () => void): void;
  /** Characters that it holds and has not written. */
  waiting(): number;
};

/** `later` runs its argument once, at the end of this turn. */
export function createLogOutput(sink: LogSink, later: (run: () => void) => void): LogOutput {
  let gathered = "";
  let lines = 0;
  let dropped = 0;
  /** Of `dropped`, those that no line has told of. */
  let untold = 0;

  function drop(count: number): void {
    dropped += count;
    untold += count;
  }

  function flush(): void {
    if (lines === 0) return;
    const [text, count] = [gathered, lines];
    gathered = "";
    lines = 0;
    try {
      sink.write(text, () => drop(count));
    } catch {
      drop(count);
    }
  }

  return {
    write(line) {
      if (sink.waiting() + gathered.length + line.length > waitingCharactersMax) {
        drop(1);
        return;
      }
      if (lines === 0) later(flush);
      if (untold > 0) {
        gathered += droppedLine(untold);
        untold = 0;
      }
      gathered += line;
      lines += 1;
      if (gathered.length >= gatheredCharactersMax) flush();
    },
    dropped: () => dropped,
  };
}

function droppedLine(count: number): string {
  const time = new Date().toISOString();
  return `{"level":"warn","time":"${time}","count":${count},"msg":"log lines dropped"}\n`;
}

/**
 * The process's standard output. A pipe or a terminal is written by Node without waiting for a reader; a file, or a device,
 * at once.
 */
export function standardOutput(): LogOutput {
  const sink = isFile(process.stdout.fd) ? fileSink(process.stdout.fd) : streamSink();
  const waitingTurns: (() => void)[] = [];
  const runAll = (): void => {
    for (const run of waitingTurns.splice(0)) run();
  };
  // Whatever ends the process, its last lines are handed over.
  process.once("exit", runAll);
  return createLogOutput(sink, (run) => {
    waitingTurns.push(run);
    setImmediate(runAll);
  });
}

function isFile(fd: number): boolean {
  try {
    const stats = fstatSync(fd);
    return stats.isFile() || (stats.isCharacterDevice() && !process.stdout.isTTY);
  } catch {
    return false;
  }
}

function streamSink(): LogSink {
  const { stdout } = process;
  // A reader that has gone is no failure; each write is told of it besides.
  stdout.on("error", () => {});
  return {
    write(text, failed) {
      stdout.write(text, (error) => {
        if (error !== null && error !== undefined) failed();
      });
    },
    waiting: () => stdout.writableLength,
  };
}

/** A file that is full takes the beginning of a text: what follows it must begin a line of its own. */
export function fileSink(fd: number, write: typeof writeSync = writeSync): LogSink {
  let isTorn = false;
  return {
    write(text) {
      const bytes = Buffer.from(isTorn ? `\n${text}` : text);
      let at = 0;
      try {
        while (at < bytes.length) at += write(fd, bytes, at);
        isTorn = false;
      } catch (error) {
        if (at > 0) isTorn = bytes[at - 1] !== 0x0a;
        throw error;
      }
    },
    waiting: () => 0,
  };
}
