// Manifest files -> resources, compiled policy, and every problem with its place.

import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { CatalogueWord } from "../../core/permission/snapshot.ts";
import type { CompiledPolicy } from "../../policy/compile/compile.ts";
import { compilePolicy } from "../../policy/compile/compile.ts";
import { decodeResource } from "../../policy/decode/decode.ts";
import type { LocatedProblem, Problem } from "../../policy/problem.ts";
import type { Resource } from "../../policy/resources.ts";
import type { ManifestDocument } from "./manifest-documents.ts";
import { readManifestText } from "./manifest-documents.ts";
import { contentHashOf, type HashedFile } from "./manifest-hash.ts";
import {
  fileBytesMax,
  listManifestFiles,
  readFault,
  tooLarge,
  unreadable,
} from "./manifest-listing.ts";
import { createProblemList, type ProblemCounts, type ProblemList } from "./problem-list.ts";
import { createTextPositions } from "./text-positions.ts";

export type ManifestFile = { readonly file: string; readonly text: string };

export type ManifestFiles = {
  readonly files: readonly ManifestFile[];
  /** Files and directories that cannot be read. */
  readonly problems: readonly LocatedProblem[];
};

/** Reads every manifest under `path`; hidden names are skipped. Rejects never. */
export async function readManifestFiles(
  path: string,
): Promise<ManifestFiles & { readonly contentHash: string }> {
  const listing = await listManifestFiles(path);
  const files: ManifestFile[] = [];
  const hashed: HashedFile[] = [];
  const problems: LocatedProblem[] = [...listing.problems];
  for (const { file, path: opened } of listing.entries) {
    try {
      const bytes = await readFile(opened);
      hashed.push({ file, content: hash("sha256", bytes, "hex") });
      const read =
        bytes.length > fileBytesMax ? unreadable(file, tooLarge) : toManifestFile(file, bytes);
      if ("text" in read) files.push(read);
      else problems.push(read);
    } catch (error) {
      hashed.push({ file, content: readFault(error) });
      problems.push(unreadable(file, readFault(error)));
    }
  }
  return { files, problems, contentHash: contentHashOf(hashed, listing.problems) };
}

/** Strict UTF-8: a replaced byte could turn one name into another. A byte order mark at the beginning is dropped. */
export function toManifestFile(file: string, bytes: Uint8Array): ManifestFile | LocatedProblem {
  const whole = decodedPrefix(bytes, bytes.length);
  if (whole !== undefined) return { file, text: whole };
  let [good, bad] = [0, bytes.length];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (decodedPrefix(bytes, middle) === undefined) bad = middle;
    else good = middle;
  }
  const before = decodedPrefix(bytes, good) ?? "";
  const place = createTextPositions(before).at(before.length);
  return { ...unreadable(file, "it is not UTF-8 here"), ...place };
}

/** undefined where the bytes are not UTF-8. A character that the end cuts counts as whole, except at the very end. */
function decodedPrefix(bytes: Uint8Array, length: number): string | undefined {
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    return decoder.decode(bytes.subarray(0, length), { stream: length < bytes.length });
  } catch {
    return undefined;
  }
}

export type LoadedResource = {
  readonly resource: Resource;
  readonly locate: (problem: Problem) => LocatedProblem;
};

export type Manifests = { readonly resources: readonly LoadedResource[] };

/** Adds everything that is wrong to `problems`. The same files, the same result. */
export function decodeManifests(
  { files, problems: unread }: ManifestFiles,
  problems: ProblemList,
): Manifests {
  const resources: LoadedResource[] = [];
  for (const problem of unread) problems.add(problem, () => problem);
  for (const { file, text } of files) {
    const { documents, mistakes } = readManifestText(text);
    for (const { message, line, column } of mistakes) {
      const mistake = { severity: "invalid", object: undefined, path: [], message } as const;
      problems.add({ ...mistake, file }, () => ({ ...mistake, file, line, column }));
    }
    for (const document of documents) {
      for (const { value, base } of objectsOf(document)) {
        const locate = (problem: Problem): LocatedProblem => ({
          ...problem,
          file,
          ...document.locate([...base, ...problem.path]),
        });
        const decoded = decodeResource(value);
        for (const problem of decoded.problems) {
          problems.add({ ...problem, file }, () => locate(problem));
        }
        if (decoded.resource !== undefined) resources.push({ resource: decoded.resource, locate });
      }
    }
  }
  reportNamespaces(resources, problems);
  return { resources };
}

type FoundObject = { readonly value: unknown; readonly base: readonly (string | number)[] };

/** The objects of a `kind: List`, or the document itself. */
function objectsOf({ value }: ManifestDocument): readonly FoundObject[] {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const fields = new Map<string, unknown>(Object.entries(value));
    const items = fields.get("items");
    if (
      fields.get("kind") === "List" &&
      fields.get("apiVersion") === "v1" &&
      Array.isArray(items)
    ) {
      return items.map((item: unknown, index) => ({ value: item, base: ["items", index] }));
    }
  }
  return [{ value, base: [] }];
}

function reportNamespaces(resources: readonly LoadedResource[], problems: ProblemList): void {
  let first: string | undefined;
  for (const { resource, locate } of resources) {
    const { namespace } = resource;
    first ??= namespace;
    if (namespace === undefined || namespace === first) continue;
    const message = `namespace ${namespace}, but ${first} before: a policy has one namespace`;
    const object = `${resource.kind} ${namespace}/${resource.name}`;
    const path = ["metadata", "namespace"];
    const problem = locate({ severity: "invalid", object, path, message });
    problems.add(problem, () => problem);
  }
}

export type CompiledManifests = {
  readonly policy: CompiledPolicy;
  /** Of reading, decoding and compiling; of each file the worst ones, and how many more there are. */
  readonly problems: readonly LocatedProblem[];
  /** Of all problems, also those that are not listed. */
  readonly problemCounts: ProblemCounts;
  /** How many resources could be decoded. */
  readonly found: number;
};

export type ManifestOptions = {
  readonly nowMs: number;
  /** Default: open. */
  readonly catalogue?: CatalogueWord;
};

export function compileManifests(
  read: ManifestFiles,
  { nowMs, catalogue = "open" }: ManifestOptions,
): CompiledManifests {
  const problems = createProblemList();
  const { resources } = decodeManifests(read, problems);
  const places = new Map(resources.map(({ resource, locate }) => [resource, locate]));
  const policy = compilePolicy([...places.keys()], { nowMs, catalogue });
  for (const { resource, ...problem } of policy.problems) {
    const locate = places.get(resource);
    if (locate === undefined) continue;
    const { file } = locate({ ...problem, path: [] });
    problems.add({ ...problem, file }, () => locate(problem));
  }
  return {
    policy,
    problems: problems.shown(),
    problemCounts: problems.counts(),
    found: resources.length,
  };
}
