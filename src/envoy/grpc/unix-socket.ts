// The file of a Unix socket: makes room for it before it is bound, and lets Envoy connect to it afterwards.

import { chmod, lstat, unlink } from "node:fs/promises";
import { connect } from "node:net";

/** Longest wait for an answer of whoever may listen on a socket file, in milliseconds. */
const probeMsMax = 1000;

/**
 * Removes a socket file that nobody listens on any more: a killed process leaves it, and binding would fail. Throws when
 * somebody does listen, or when something else than a socket stands there; never removes either.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`${path} exists and is not a socket`);
  if (await isAlive(path)) throw new Error(`another process listens on ${path}`);
  await unlink(path).catch((error: unknown) => {
    if (codeOf(error) !== "ENOENT") throw error;
  });
}

/** The mode decides who may connect; under the usual umask it would be the own user only (kubernetes-facts D3). */
export async function setSocketMode(path: string, mode: number): Promise<void> {
  await chmod(path, mode);
}

/** Whatever is not a clear "nobody is there" counts as alive, so that nothing of somebody else's is removed. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (alive: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(alive);
    };
    const timer = setTimeout(() => end(true), probeMsMax);
    socket.once("connect", () => end(true));
    socket.once("error", (error) => {
      const code = codeOf(error);
      end(code !== "ECONNREFUSED" && code !== "ENOENT");
    });
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
