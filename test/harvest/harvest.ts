// `npm run harvest [BACKEND[@VERSION] ...]`: brings each package by its registry's ordinary client, reads the names of its
// request fields, parameters and headers, and writes them to snapshot.json: names, package and version, nothing else.
// `--tidy` drops from left-unknown.json what stands in a table by now. Prints what is new, what went, and what no table and no list of left-unknown names has.

import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { run } from "../support/child.ts";
import { backends } from "./backends.ts";
import {
  classOf,
  type HarvestedName,
  leftUnknownFile,
  leftUnknownText,
  readLeftUnknown,
  readSnapshot,
  type SnapshotPart,
  snapshotFile,
} from "./classes.ts";
import { declaredNames, goNames } from "./read-names.ts";
import type { Backend, Place, Rule } from "./rules.ts";

const minute = 60_000;
const names = /^[A-Za-z_$][\w.$-]{0,79}$/;

async function must(command: string, args: readonly string[], cwd?: string): Promise<string> {
  const options = { name: command, command, args, ...(cwd === undefined ? {} : { cwd }) };
  const ran = await run(options, 15 * minute);
  if (ran.code === 0) return ran.stdout;
  throw new Error(`${command} ${args.join(" ")}: ${ran.stderr.slice(-800)}`);
}

type Unpacked = { readonly root: string; readonly version: string };

async function fetchPypi(wanted: string, version: string, folder: string): Promise<Unpacked> {
  const named = version === "" ? wanted : `${wanted}==${version}`;
  await must("python3", ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, named]);
  const [file = ""] = globSync("*.{whl,tar.gz}", { cwd: folder });
  const isWheel = file.endsWith(".whl");
  const kind = isWheel ? "zipfile" : "tarfile";
  await must("python3", ["-m", kind, "-e", file, "out"], folder);
  const [inside = ""] = isWheel ? [] : globSync("*", { cwd: join(folder, "out") });
  const [, found = ""] = /-(\d[^-]*?)(?:-|\.tar)/.exec(file) ?? [];
  return { root: join(folder, "out", inside), version: found };
}

async function fetchNpm(wanted: string, version: string, folder: string): Promise<Unpacked> {
  const named = version === "" ? wanted : `${wanted}@${version}`;
  await must("npm", ["pack", "--silent", "--pack-destination", folder, named], folder);
  const [file = ""] = globSync("*.tgz", { cwd: folder });
  await must("tar", ["xzf", file], folder);
  const root = join(folder, "package");
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly version: string;
  };
  return { root, version: manifest.version };
}

async function fetchGo(wanted: string, version: string, folder: string): Promise<Unpacked> {
  const named = `${wanted}@${version === "" ? "latest" : version}`;
  const said = JSON.parse(await must("go", ["mod", "download", "-json", named], folder)) as {
    readonly Dir: string;
    readonly Version: string;
  };
  return { root: said.Dir, version: said.Version };
}

const fetchers = { pypi: fetchPypi, npm: fetchNpm, go: fetchGo } as const;

async function readPython(root: string, rules: readonly Rule[]): Promise<HarvestedName[]> {
  const script = join(import.meta.dirname, "read_python.py");
  const input = join(root, "aliasguard-rules.json");
  writeFileSync(input, JSON.stringify({ root, rules }));
  const found = JSON.parse(await must("python3", [script, input])) as [string, Place, string][];
  return found.map(([name, place, from]) => ({ name, place, from }));
}

function readText(root: string, rule: Rule): HarvestedName[] {
  const files = rule.files.flatMap((glob) => globSync(glob, { cwd: root })).sort();
  if (files.length === 0) throw new Error(`no file matches ${rule.files.join(" ")}`);
  const read = rule.read === "go" ? goNames : declaredNames;
  return files.flatMap((from) =>
    read(readFileSync(join(root, from), "utf8"), new RegExp(rule.names))
      .filter((name) => names.test(name))
      .map((name) => ({ name, place: rule.place, from })),
  );
}

/** The names of one package, each once a place, sorted. */
async function harvest(backend: Backend, version: string): Promise<SnapshotPart> {
  const folder = mkdtempSync(join(tmpdir(), "aliasguard-harvest-"));
  try {
    const got = await fetchers[backend.registry](backend.package, version, folder);
    const all =
      backend.registry === "pypi"
        ? await readPython(got.root, backend.rules)
        : backend.rules.flatMap((rule) => readText(got.root, rule));
    const once = new Map(all.map((each) => [`${each.name} ${each.place}`, each]));
    if (once.size === 0) throw new Error("no name was found");
    return {
      backend: backend.backend,
      package: backend.package,
      version: got.version,
      names: [...once.values()].sort(
        (a, b) => compare(a.name, b.name) || compare(a.place, b.place),
      ),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function compare(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}

function spell({ name, place }: Pick<HarvestedName, "name" | "place">): string {
  return `${name} (${place})`;
}

function report(before: SnapshotPart | undefined, after: SnapshotPart): void {
  const old = new Set((before?.names ?? []).map(spell));
  const now = new Set(after.names.map(spell));
  const unclassified = after.names.filter((each) => classOf(each) === undefined).map(spell);
  const lines = [
    `${after.backend}: ${after.package} ${before?.version ?? "-"} -> ${after.version}, ${now.size} names`,
    `  new:      ${[...now].filter((each) => !old.has(each)).join(" ") || "none"}`,
    `  gone:     ${[...old].filter((each) => !now.has(each)).join(" ") || "none"}`,
    `  no class: ${unclassified.join(" ") || "none"}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** Drops what stands in a table by now, or is harvested no longer. */
function tidy(): void {
  const harvested = new Set(readSnapshot().flatMap(({ names }) => names.map(spell)));
  const rows = readLeftUnknown().map(({ place, reason, names }) => {
    const isLeft = (name: string): boolean =>
      harvested.has(spell({ name, place })) && classOf({ name, place }, []) === undefined;
    return { place, reason, names: names.filter(isLeft) };
  });
  writeFileSync(leftUnknownFile, leftUnknownText(rows.filter(({ names }) => names.length > 0)));
}

async function main(asked: readonly string[]): Promise<void> {
  if (asked.includes("--tidy")) return tidy();
  const before = readSnapshot();
  const parts: SnapshotPart[] = [];
  for (const backend of backends) {
    const old = before.find((part) => part.backend === backend.backend);
    const ask = asked.find((each) => each.replace(/(?<=.)@.*$/, "") === backend.backend);
    if (asked.length > 0 && ask === undefined) {
      if (old !== undefined) parts.push(old);
      continue;
    }
    const part = await harvest(backend, /(?<=.)@(.*)$/.exec(ask ?? "")?.[1] ?? "");
    report(old, part);
    parts.push(part);
  }
  const rows = parts.map(({ names: each, ...rest }) => {
    const head = JSON.stringify(rest).slice(0, -1);
    return `${head},"names":[\n${each.map((name) => JSON.stringify(name)).join(",\n")}]}`;
  });
  writeFileSync(snapshotFile, `[\n${rows.join(",\n")}\n]\n`);
  process.stdout.write(`written: ${basename(snapshotFile)}\n`);
}

await main(process.argv.slice(2));
