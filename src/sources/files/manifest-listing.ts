// Which files a policy path stands for, and a stamp of each that changes with it. Looks at names and attributes only: no
// content is read here.

import type { BigIntStats } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import type { LocatedProblem } from "../../policy/problem.ts";

/** Most bytes of one file, most files and directories of one policy, and deepest nesting of directories. */
export const fileBytesMax = 32 * 1024 * 1024;
export const filesMax = 5_000;
const directoriesMax = 1_000;
const directoryDepthMax = 8;
const extensions = new Set([".yaml", ".yml", ".json"]);

export type ManifestEntry = {
  /** The name that problems show: below the path that was asked for. */
  readonly file: string;
  /** What to open: inside the directory that `..data` points to, where there is one. */
  readonly path: string;
  /** Changes whenever the file is written, replaced or swapped, as far as the file system tells. */
  readonly stamp: string;
};

export type ManifestListing = {
  readonly entries: readonly ManifestEntry[];
  /** Files and directories that cannot be looked at. */
  readonly problems: readonly LocatedProblem[];
};

type Visit = {
  readonly entries: ManifestEntry[];
  readonly problems: LocatedProblem[];
  directories: number;
};

type Place = { readonly file: string; readonly path: string; readonly depth: number };

/** Lists every manifest under `path`, in order of name; hidden names are skipped. Rejects never. */
export async function listManifestFiles(path: string): Promise<ManifestListing> {
  const visit: Visit = { entries: [], problems: [], directories: 0 };
  const place = { file: path, path, depth: 0 };
  await visitPlace(visit, place, await statOf(path));
  return visit;
}

/** One text that changes when any file of the listing does. */
export function stampOf({ entries, problems }: ManifestListing): string {
  const files = entries.map(({ file, path, stamp }) => [file, path, stamp]);
  return JSON.stringify([files, problems.map(({ file, message }) => [file, message])]);
}

async function visitPlace(visit: Visit, place: Place, info: BigIntStats | Error): Promise<void> {
  const { entries, problems } = visit;
  const { file, path, depth } = place;
  const refuse = (message: string): void => {
    problems.push(unreadable(file, message));
  };
  if (info instanceof Error) return refuse(readFault(info));
  if (info.isDirectory()) {
    if (depth > directoryDepthMax) return refuse("directories are nested too deeply");
    if (visit.directories++ >= directoriesMax) return refuse(`more than ${directoriesMax} folders`);
    return visitDirectory(visit, place);
  }
  if (!info.isFile()) return depth === 0 ? refuse("neither a file nor a directory") : undefined;
  if (depth > 0 && !extensions.has(extname(file).toLowerCase())) return;
  if (info.size > fileBytesMax) return refuse(tooLarge);
  if (entries.length >= filesMax) return refuse(`more than ${filesMax} files`);
  const { dev, ino, size, mtimeNs, ctimeNs } = info;
  entries.push({ file, path, stamp: [dev, ino, size, mtimeNs, ctimeNs].join(" ") });
}

async function visitDirectory(visit: Visit, { file, path, depth }: Place): Promise<void> {
  // A mounted ConfigMap is read through the one directory that `..data` points to now, so that a swap in the middle of
  // a load never mixes two versions.
  const inside = await realpath(join(path, "..data")).catch(() => path);
  let names: readonly string[];
  try {
    names = (await readdir(inside)).filter((name) => !name.startsWith(".")).sort();
  } catch (error) {
    visit.problems.push(unreadable(file, readFault(error)));
    return;
  }
  const infos = await Promise.all(names.map((name) => statOf(join(inside, name))));
  for (const [index, name] of names.entries()) {
    const place = { file: join(file, name), path: join(inside, name), depth: depth + 1 };
    const info = infos[index];
    if (info !== undefined) await visitPlace(visit, place, info);
  }
}

async function statOf(path: string): Promise<BigIntStats | Error> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

export const tooLarge = `larger than ${fileBytesMax} bytes`;

/** An `invalid` problem that concerns the file as a whole. */
export function unreadable(file: string, message: string): LocatedProblem {
  const place = { file, line: 1, column: 1 };
  return {
    severity: "invalid",
    object: undefined,
    path: [],
    message: `cannot be read: ${message}`,
    ...place,
  };
}

const faults: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "there is no such file or directory"],
  ["ENOTDIR", "a part of the path is no directory"],
  ["EACCES", "permission denied"],
  ["EPERM", "permission denied"],
  ["ELOOP", "symbolic links that lead in a circle"],
  ["ENAMETOOLONG", "the name is too long"],
  ["EMFILE", "too many open files"],
  ["ENFILE", "too many open files"],
  ["EIO", "the device failed"],
]);

/** What the file system said, in our words. */
export function readFault(error: unknown): string {
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  if (typeof code !== "string") return "the file system failed";
  return faults.get(code) ?? `the file system answered ${code}`;
}
