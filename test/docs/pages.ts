// The documents of the repository, by their path from its root.

import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Fence, fencesOf } from "./markdown.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));

export const pages: ReadonlyMap<string, string> = new Map(
  [
    ...globSync("*.md", { cwd: root }),
    ...globSync("{docs,deploy,helm,src,test,proto}/**/*.md", { cwd: root }),
  ]
    .sort()
    .map((path) => [path, readFileSync(`${root}/${path}`, "utf8")]),
);

export const readme = pages.get("README.md") ?? "";

/** A fenced block and the page that it stands on. */
export type Block = Fence & { readonly page: string; readonly place: string };

export const blocks: readonly Block[] = [...pages].flatMap(([page, text]) =>
  fencesOf(text).map((fence) => ({ ...fence, page, place: `${page}:${fence.line}` })),
);

/**
 * What a block holds, by its info string. `yaml` alone are manifests of ours. `yaml values` are values of the chart, `yaml
 * kubernetes` objects of Kubernetes' own kinds, `yaml envoy` a part of a file of deploy/, `yaml meshconfig` the part of
 * Istio's MeshConfig that manifests.test.ts compares. A block without an info string is a transcript, or one of the
 * drawings that blocks.test.ts lists.
 */
export const infos = [
  ...(["yaml", "yaml values", "yaml kubernetes", "yaml envoy", "yaml meshconfig"] as const),
  ...(["sh", ""] as const),
] as const;

export function blocksOf(info: (typeof infos)[number]): readonly Block[] {
  return blocks.filter((block) => block.info === info);
}

export const manifestBlocks = blocksOf("yaml");

/** The README's policy, which transcripts call policy.yaml. */
export const readmePolicy = manifestBlocks.find(({ page }) => page === "README.md")?.text ?? "";

const transcriptCommand = /^\$ (.*)\n/;

/** Blocks that show a command and what it prints. */
export const transcripts = blocks.flatMap((block) => {
  const [line, command] = transcriptCommand.exec(block.text) ?? [];
  if (block.info !== "" || line === undefined || command === undefined) return [];
  return [{ ...block, command, output: block.text.slice(line.length) }];
});
