// A file or directory of manifests -> resources and every problem with its place. Reads a mounted ConfigMap through the
// one directory that `..data` points to, so that a swap in the middle of a load never mixes two versions.

import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import type { CompiledPolicy } from "../policy/compile.ts";
import { compilePolicy } from "../policy/compile.ts";
import { decodeResource } from "../policy/decode.ts";
import type { LocatedProblem, Problem } from "../policy/problem.ts";
import type { Resource } from "../policy/resources.ts";
import type { ManifestDocument } from "./manifest-documents.ts";
import { readManifestText } from "./manifest-documents.ts";

/** Most bytes of one file, most files, and deepest nesting of directories. */
export const fileBytesMax = 32 * 1024 * 1024;
export const filesMax = 5_000;
const directoryDepthMax = 8;
const extensions = new Set([".yaml", ".yml", ".json"]);

export type ManifestFile = { readonly file: string; readonly text: string };

export type ManifestFiles = {
  readonly files: readonly ManifestFile[];
  /** Files and directories that cannot be read. */
  readonly problems: readonly LocatedProblem[];
};

export type LoadedResource = {
  readonly resource: Resource;
  readonly locate: (problem: Problem) => LocatedProblem;
};

export type Manifests = {
  readonly resources: readonly LoadedResource[];
  readonly problems: readonly LocatedProblem[];
};

/** Reads every manifest under `path`; hidden names are skipped. Rejects never. */
export async function readManifestFiles(path: string): Promise<ManifestFiles> {
  const files: ManifestFile[] = [];
  const problems: LocatedProblem[] = [];
  const visit = async (shown: string, depth: number): Promise<void> => {
    try {
      const info = await stat(shown);
      if (info.isDirectory()) {
        if (depth > directoryDepthMax) throw new Error("directories are nested too deeply");
        const inside = await mountedVersion(shown);
        for (const name of (await readdir(inside)).sort()) {
          if (!name.startsWith(".")) await visit(join(inside, name), depth + 1);
        }
        return;
      }
      if (!info.isFile()) return;
      if (depth > 0 && !extensions.has(extname(basename(shown)).toLowerCase())) return;
      if (info.size > fileBytesMax) throw new Error(`larger than ${fileBytesMax} bytes`);
      if (files.length >= filesMax) throw new Error(`more than ${filesMax} files`);
      const bytes = await readFile(shown);
      files.push({ file: shown, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) });
    } catch (error) {
      const message = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
      problems.push(placed({ severity: "invalid", object: undefined, path: [], message }, shown));
    }
  };
  await visit(path, 0);
  return { files, problems };
}

async function mountedVersion(directory: string): Promise<string> {
  try {
    return await realpath(join(directory, "..data"));
  } catch {
    return directory;
  }
}

/** Pure: the same files, the same result. */
export function decodeManifests({ files, problems: unread }: ManifestFiles): Manifests {
  const resources: LoadedResource[] = [];
  const problems: LocatedProblem[] = [...unread];
  for (const { file, text } of files) {
    const { documents, mistakes } = readManifestText(text);
    for (const { message, line, column } of mistakes) {
      problems.push({
        severity: "invalid",
        object: undefined,
        path: [],
        message,
        file,
        line,
        column,
      });
    }
    for (const document of documents) {
      for (const { value, base } of objectsOf(document)) {
        const locate = (problem: Problem): LocatedProblem => ({
          ...problem,
          file,
          ...document.locate([...base, ...problem.path]),
        });
        const decoded = decodeResource(value);
        problems.push(...decoded.problems.map(locate));
        if (decoded.resource !== undefined) resources.push({ resource: decoded.resource, locate });
      }
    }
  }
  problems.push(...namespaceProblems(resources));
  return { resources, problems };
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

function namespaceProblems(resources: readonly LoadedResource[]): readonly LocatedProblem[] {
  let first: string | undefined;
  const problems: LocatedProblem[] = [];
  for (const { resource, locate } of resources) {
    const { namespace } = resource;
    first ??= namespace;
    if (namespace === undefined || namespace === first) continue;
    const message = `namespace ${namespace}, but ${first} before: a policy has one namespace`;
    const object = `${resource.kind} ${namespace}/${resource.name}`;
    problems.push(
      locate({ severity: "invalid", object, path: ["metadata", "namespace"], message }),
    );
  }
  return problems;
}

export type CompiledManifests = {
  readonly policy: CompiledPolicy;
  /** Of reading, decoding and compiling. */
  readonly problems: readonly LocatedProblem[];
  /** How many resources could be decoded. */
  readonly found: number;
};

export function compileManifests(read: ManifestFiles, nowMs: number): CompiledManifests {
  const { resources, problems } = decodeManifests(read);
  const places = new Map(resources.map(({ resource, locate }) => [resource, locate]));
  const policy = compilePolicy([...places.keys()], { nowMs });
  const located: LocatedProblem[] = [];
  for (const { resource, ...problem } of policy.problems) {
    const locate = places.get(resource);
    if (locate !== undefined) located.push(locate(problem));
  }
  return { policy, problems: [...problems, ...located], found: resources.length };
}

function placed(problem: Problem, file: string): LocatedProblem {
  return { ...problem, file, line: 1, column: 1 };
}
