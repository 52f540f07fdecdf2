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

const folderOf = (file: string): string => (file.includes("/") ? (file.split("/")[0] ?? "") : "");
const targetOf = ({ file, specifier }: Import): string =>
  relative(root, join(root, dirname(file), specifier));

/** Which folders each folder may import from; "" is the files beside them: main and settings. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  "": ["", "commands", "core"],
  commands: [
    ...["", "commands", "core", "policy", "envoy", "sources", "telemetry"],
    ...["controller", "kubernetes"],
  ],
  controller: ["controller", "policy", "core", "kubernetes"],
  kubernetes: ["kubernetes", "core", "policy"],
  envoy: ["envoy", "core"],
  sources: ["sources", "policy", "core", "kubernetes"],
  telemetry: ["telemetry", "core"],
  policy: ["policy", "core"],
  core: ["core"],
};

test("src imports only along the arrows", () => {
  const wrong = imports
    .filter(({ specifier }) => specifier.startsWith("."))
    .filter((each) => !arrows[folderOf(each.file)]?.includes(folderOf(targetOf(each))))
    .map(({ file, specifier }) => `${file} imports ${specifier}`);
  assert.deepEqual(wrong, []);
  assert.ok(imports.length > 20);
});

test("core and policy import nothing but node:crypto and node:buffer", () => {
  const allowed = new Set(["node:crypto", "node:buffer"]);
  const wrong = imports
    .filter(({ file }) => ["core", "policy"].includes(folderOf(file)))
    .filter(({ specifier }) => !specifier.startsWith(".") && !allowed.has(specifier))
    .map(({ file, specifier }) => `${file} imports ${specifier}`);
  assert.deepEqual(wrong, []);
});

test("core and policy read no clock, draw no lots, log nothing and wait for nothing", () => {
  const forbidden =
    /\bDate\.now\b|\bnew Date\(\)|Math\.random|\bconsole\.|\basync\b|\bawait\b|\bprocess\./;
  const wrong = files
    .filter((file) => ["core", "policy"].includes(folderOf(file)))
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
  visit("commands/serve.ts");
  assert.ok(seen.has("sources/file-source.ts"));
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
