// The import rules of src/README.md: arrows only as drawn, pure folders, no cycles, no drawers.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../src", import.meta.url));
const files = globSync("**/*.ts", { cwd: root }).sort();

type Import = { readonly file: string; readonly specifier: string };

const imports: readonly Import[] = files.flatMap((file) => {
  const text = readFileSync(join(root, file), "utf8");
  const found = text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g);
  return [...found].map((match) => ({ file, specifier: match[1] ?? "" }));
});

/** The folder that a file stands in, and its topmost one; "" is main. */
const folderOf = (file: string): string => (dirname(file) === "." ? "" : dirname(file));
const areaOf = (file: string): string => folderOf(file).split("/")[0] ?? "";
const targetOf = ({ file, specifier }: Import): string =>
  relative(root, join(root, dirname(file), specifier));
const inSrc = imports.filter(({ specifier }) => specifier.startsWith("."));

/** Which folders each folder may import from, itself aside; "" is main. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  "": ["commands", "settings"],
  commands: [
    "settings",
    "core",
    "policy",
    "envoy",
    "sources",
    "telemetry",
    "doctor",
    "controller",
    "kubernetes",
  ],
  settings: ["core"],
  controller: ["policy", "core", "kubernetes"],
  kubernetes: ["core", "policy"],
  envoy: ["core"],
  sources: ["policy", "core", "kubernetes"],
  telemetry: ["core"],
  doctor: [],
  policy: ["core"],
  core: [],
};

test("src imports only along the arrows", () => {
  const wrong = inSrc
    .filter((each) => {
      const [from, to] = [areaOf(each.file), areaOf(targetOf(each))];
      return from !== to && arrows[from]?.includes(to) !== true;
    })
    .map(({ file, specifier }) => `${file} imports ${specifier}`);
  assert.deepEqual(wrong, []);
  assert.ok(imports.length > 20);
});

/**
 * The same within an area, for the folders in it: what each may import, itself aside. A folder that stands for the area is
 * what lies beside the others.
 */
const innerArrows: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  core: {
    core: ["core/body", "core/body/multipart", "core/http", "core/permission", "core/json"],
    "core/body": ["core/http", "core/permission", "core/json"],
    "core/body/multipart": ["core/body", "core/http", "core/permission", "core/json"],
    "core/http": ["core/permission"],
    "core/permission": [],
    "core/response": ["core/json"],
    "core/json": [],
  },
  envoy: {
    envoy: ["envoy/ext-authz", "envoy/ext-proc", "envoy/grpc"],
    "envoy/ext-authz": ["envoy/grpc", "envoy/wire"],
    "envoy/ext-proc": ["envoy/grpc", "envoy/wire"],
    "envoy/grpc": [],
    "envoy/wire": [],
  },
  policy: {
    policy: [],
    "policy/compile": [],
    "policy/document": ["policy/compile", "policy/decode"],
    "policy/decode": [],
  },
  sources: {
    sources: ["sources/files", "sources/loading"],
    "sources/configmaps": ["sources/loading"],
    "sources/files": ["sources/loading"],
    "sources/loading": [],
  },
  controller: { controller: ["controller/writing"], "controller/writing": [] },
  commands: {
    commands: [],
    "commands/check": [],
    "commands/controller": [],
    "commands/key": ["commands/controller"],
    "commands/probe": [],
    "commands/serve": [],
  },
};

/**
 * The words that every folder of an area may use. They import nothing of it but each other and the types that are named
 * here with them.
 */
const words: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  core: {
    "core/denials.ts": [],
    "core/request.ts": [],
    "core/decision-settings.ts": ["core/http/credential.ts"],
    "core/decision.ts": [
      "core/http/header-rules.ts",
      "core/permission/authorize.ts",
      "core/permission/snapshot.ts",
    ],
  },
  envoy: {
    "envoy/wire.ts": [],
    "envoy/header-values.ts": [],
    "envoy/body-splice.ts": [],
    "envoy/decision-metadata.ts": [],
    "envoy/guarded-decision.ts": [],
  },
  policy: { "policy/resources.ts": [], "policy/problem.ts": [], "policy/revision.ts": [] },
  sources: {
    "sources/source.ts": [],
    "sources/credential-files.ts": [],
    "sources/tls-files.ts": [],
  },
  commands: {
    "commands/io.ts": [],
    "commands/kube-flags.ts": [],
    "commands/kube-objects.ts": ["commands/controller/watches.ts"],
    "commands/policy-source.ts": [],
  },
};

test("folders within an area import only along its arrows", () => {
  const wrong = inSrc
    .filter((each) => {
      const [area, target] = [areaOf(each.file), targetOf(each)];
      const [from, to] = [folderOf(each.file), folderOf(target)];
      const own = words[area] ?? {};
      if (areaOf(target) !== area) return false;
      const more = own[each.file];
      if (more !== undefined) return own[target] === undefined && !more.includes(target);
      if (from === to || own[target] !== undefined) return false;
      return innerArrows[area]?.[from]?.includes(to) !== true;
    })
    .map(({ file, specifier }) => `${file} imports ${specifier}`);
  assert.deepEqual(wrong, []);
  // Every folder of src is drawn: a new one has its arrows, or this fails.
  const drawn = new Set([
    ...Object.keys(arrows),
    ...Object.values(innerArrows).flatMap((each) => Object.keys(each)),
  ]);
  const folders = new Set(files.map(folderOf));
  assert.deepEqual([...folders].filter((folder) => !drawn.has(folder)).sort(), []);
});

/** More files than this in one folder are a list, not a place: give an idea in it a folder of its own. */
const filesMax = 12;

test(`no folder of src holds more than ${filesMax} files`, () => {
  const counts = new Map<string, number>();
  for (const file of files) counts.set(folderOf(file), (counts.get(folderOf(file)) ?? 0) + 1);
  assert.deepEqual(
    [...counts].filter(([, count]) => count > filesMax),
    [],
  );
});

test("core, policy and doctor import nothing but node:crypto and node:buffer", () => {
  const allowed = new Set(["node:crypto", "node:buffer"]);
  const wrong = imports
    .filter(({ file }) => ["core", "policy", "doctor"].includes(areaOf(file)))
    .filter(({ specifier }) => !specifier.startsWith(".") && !allowed.has(specifier))
    .map(({ file, specifier }) => `${file} imports ${specifier}`);
  assert.deepEqual(wrong, []);
});

test("core, policy and doctor read no clock, draw no lots, log nothing and wait for nothing", () => {
  const forbidden =
    /\bDate\.now\b|\bnew Date\(\)|Math\.random|\bconsole\.|\basync\b|\bawait\b|\bprocess\./;
  const wrong = files
    .filter((file) => ["core", "policy", "doctor"].includes(areaOf(file)))
    .filter((file) => {
      const code = readFileSync(join(root, file), "utf8").replaceAll(
        /^\s*(?:\/\/|\*|\/\*).*$/gm,
        "",
      );
      return forbidden.test(code);
    });
  assert.deepEqual(wrong, []);
});

test("the Kubernetes client library is loaded by kubernetes/client.ts alone, never at start", () => {
  const users = imports.filter(({ specifier }) => specifier.startsWith("@kubernetes/"));
  assert.deepEqual(
    users.map(({ file }) => file),
    ["kubernetes/client.ts"],
  );
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(join(root, file), "utf8");
    // A `type` import leaves nothing behind; `import(` waits until it is asked for.
    const found = text.matchAll(
      /^(?:import|export)\s(?!type\b)(?:[^;"]*?\sfrom\s)?\s*"(\.[^"]+)"/gm,
    );
    for (const [, specifier = ""] of found) visit(targetOf({ file, specifier }));
  };
  visit("main.ts");
  visit("commands/serve/serve.ts");
  assert.ok(seen.has("sources/files/file-source.ts"));
  assert.equal(seen.has("kubernetes/client.ts"), false);
});

test("src has no import cycle", () => {
  const graph = new Map<string, string[]>(files.map((file) => [file, []]));
  for (const each of imports) {
    if (each.specifier.startsWith(".")) graph.get(each.file)?.push(targetOf(each));
  }
  const done = new Set<string>();
  const cycleFrom = (file: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const next of graph.get(file) ?? []) {
      const cycle = cycleFrom(next, [...path, file]);
      if (cycle !== undefined) return cycle;
    }
    done.add(file);
    return undefined;
  };
  assert.deepEqual(
    files.map((file) => cycleFrom(file, [])).filter((cycle) => cycle !== undefined),
    [],
  );
});

test("src has no drawers, no index files, no default exports, and a header in every file", () => {
  const drawers = /(^|\/)(utils?|helpers?|common|shared|types|index)(\/|\.ts$)/;
  assert.deepEqual(
    files.filter((file) => drawers.test(file)),
    [],
  );
  const texts = files.map((file) => [file, readFileSync(join(root, file), "utf8")] as const);
  const hasHeader = (text: string): boolean => /^(#![^\n]*\n)?\/\/ /.test(text);
  assert.deepEqual(
    texts.filter(([, text]) => !hasHeader(text)).map(([file]) => file),
    [],
  );
  assert.deepEqual(
    texts.filter(([, text]) => /^export default/m.test(text)).map(([file]) => file),
    [],
  );
});
