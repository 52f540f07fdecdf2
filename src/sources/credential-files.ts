// The backends' credentials from a folder with one file each, such as a mounted Secret, kept current: a rotated one counts
// within seconds, without a restart. Values are held in memory only and shown to nobody but the decision.

import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Milliseconds between two looks at the folder. */
export const credentialPollMs = 1000;

/** Files that are read at most, and bytes of each: nobody has more, and a folder given by mistake must do no harm. */
const filesMax = 1000;
const bytesMax = 16 * 1024;

export type CredentialFilesOptions = {
  readonly folder: string;
  /** A file that holds no credential, or a folder that cannot be read: once, until it turns out otherwise. No value. */
  readonly reportProblem: (problem: string) => void;
  /** The names that there are now. After each change, the first reading included. */
  readonly reportChange: (names: readonly string[]) => void;
  /** Waits until the next look; for tests. Rejects when `signal` aborts. */
  readonly wait?: (signal: AbortSignal) => Promise<void>;
};

export type CredentialFiles = {
  /** Resolves when the folder was read once. Rejects never. */
  start(): Promise<void>;
  stop(): Promise<void>;
  lookup(name: string): string | undefined;
};

export function createCredentialFiles(options: CredentialFilesOptions): CredentialFiles {
  const { folder, reportProblem, reportChange, wait = waitForLook } = options;
  const stopping = new AbortController();
  let values: ReadonlyMap<string, string> = new Map();
  let hasRead = false;
  let known: ReadonlySet<string> = new Set();
  let running: Promise<void> | undefined;

  async function look(): Promise<void> {
    const problems = new Set<string>();
    const found = await readFolder(folder, problems);
    // A folder that cannot be read for a moment takes nothing away.
    if (found !== undefined && !(hasRead && areSame(values, found))) {
      hasRead = true;
      values = found;
      reportChange([...found.keys()]);
    }
    for (const problem of problems) if (!known.has(problem)) reportProblem(problem);
    known = problems;
  }

  async function lookUntilStopped(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await wait(stopping.signal);
      } catch {
        return;
      }
      if (!stopping.signal.aborted) await look();
    }
  }

  return {
    async start() {
      if (running !== undefined || stopping.signal.aborted) return;
      const first = look();
      running = first.then(lookUntilStopped);
      await first;
    },
    async stop() {
      stopping.abort();
      await running;
    },
    lookup: (name) => values.get(name),
  };
}

function areSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
}

/** undefined where the folder cannot be read. Files that begin with a dot are the kubelet's own. */
async function readFolder(
  folder: string,
  problems: Set<string>,
): Promise<ReadonlyMap<string, string> | undefined> {
  let names: readonly string[];
  try {
    names = (await readdir(folder)).filter((name) => !name.startsWith(".")).sort();
  } catch (error) {
    problems.add(`${folder}: ${codeOf(error)}`);
    return undefined;
  }
  if (names.length > filesMax) problems.add(`${folder}: more than ${filesMax} files`);
  const found = new Map<string, string>();
  for (const name of names.slice(0, filesMax)) {
    const path = join(folder, name);
    const value = await readCredential(path);
    if (value.ok) found.set(name, value.text);
    else if (value.problem !== "") problems.add(`${path}: ${value.problem}`);
  }
  return found;
}

type Read =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly problem: string };

async function readCredential(path: string): Promise<Read> {
  try {
    const about = await stat(path);
    if (!about.isFile()) return { ok: false, problem: "" };
    if (about.size > bytesMax) return { ok: false, problem: `longer than ${bytesMax} bytes` };
    const text = (await readFile(path, "latin1")).replace(/\r?\n$/, "");
    // It becomes the value of a header.
    return /^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(text)
      ? { ok: true, text }
      : { ok: false, problem: "wanted one line of printable ASCII" };
  } catch (error) {
    return { ok: false, problem: codeOf(error) };
  }
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "cannot be read";
}

async function waitForLook(signal: AbortSignal): Promise<void> {
  await delay(credentialPollMs, undefined, { signal, ref: false });
}
