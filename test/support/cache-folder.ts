// The private cache of what tests and the demo fetch: each thing in a folder of its own, put in place whole by a rename,
// and made once even when several test files ask at the same moment.

import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, rmdir, stat, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** A lock that nobody has touched for this long was left by a process that is gone. */
const lockStaleMs = 60_000;

/** How often the holder of a lock says that it is alive. */
const lockTouchMs = 5_000;

export function cacheFolder(): string {
  const base = process.env["XDG_CACHE_HOME"];
  const isAbsolute = base?.startsWith("/") === true;
  return join(isAbsolute ? base : join(homedir(), ".cache"), "aliasguard");
}

/** Whether something of such a name is there, whole. */
export function isCached(name: RegExp): boolean {
  const root = cacheFolder();
  if (!existsSync(root)) return false;
  return readdirSync(root).some((each) => name.test(each) && !/\.(lock|draft-)/.test(each));
}

/**
 * The folder `name` in the cache, made by `make` when it is not there. `make` fills an empty folder that appears under
 * its name only when it has succeeded. Waits while another process makes it; `waiting` is called once then.
 */
export async function cached(
  name: string,
  make: (folder: string) => Promise<void>,
  waiting: () => void = () => undefined,
): Promise<string> {
  const root = cacheFolder();
  const target = join(root, name);
  if (existsSync(target)) return target;
  await mkdir(root, { recursive: true, mode: 0o700 });
  const unlock = await lock(join(root, `${name}.lock`), waiting);
  try {
    if (existsSync(target)) return target;
    const draft = await mkdtemp(join(root, `${name}.draft-`));
    try {
      await make(draft);
      await rename(draft, target);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      throw error;
    }
    return target;
  } finally {
    await unlock();
  }
}

/** Making a folder is atomic: whoever makes it holds the lock. */
async function lock(path: string, waiting: () => void): Promise<() => Promise<void>> {
  let isAnnounced = false;
  while (!(await tryMake(path))) {
    if (!isAnnounced) waiting();
    isAnnounced = true;
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > lockStaleMs) await rmdir(path).catch(() => undefined);
    await delay(200);
  }
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, lockTouchMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await rmdir(path).catch(() => undefined);
  };
}

async function tryMake(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}
