// Splits the bytes of a watch into lines. It cuts bytes, not text, so that a chunk that ends within a character is
// harmless; a line is bounded, for a server that never ends one must not fill the memory.

import { KubeError } from "./transport.ts";

/** etcd takes objects of some 1.5 MiB; in JSON a byte can become six. */
export const lineBytesMax = 16 * 1024 * 1024;

const newline = 0x0a;

export type LineSplitter = {
  /** Throws a KubeError when a line is longer than allowed or no JSON; what `onLine` throws passes through. */
  push(chunk: Buffer): void;
  /** Throws a KubeError when the last line was cut off. */
  end(): void;
};

export function createLineSplitter(
  onLine: (value: unknown) => void,
  bytesMax: number = lineBytesMax,
): LineSplitter {
  let parts: Buffer[] = [];
  let bytes = 0;
  const keep = (part: Buffer): void => {
    bytes += part.length;
    if (bytes > bytesMax) throw new KubeError(`a line of a watch is longer than ${bytesMax} bytes`);
    if (part.length > 0) parts.push(part);
  };
  const flush = (): void => {
    const text = Buffer.concat(parts).toString("utf8");
    parts = [];
    bytes = 0;
    if (text.trim() !== "") onLine(parseJson(text));
  };
  return {
    push(chunk) {
      let from = 0;
      for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, from)) {
        keep(chunk.subarray(from, at));
        flush();
        from = at + 1;
      }
      keep(chunk.subarray(from));
    },
    end() {
      if (bytes > 0) throw new KubeError("a watch ended within a line");
    },
  };
}

/** Throws a KubeError: what the server sent may be a proxy's page. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new KubeError("the API server sent what is no JSON");
  }
}
