// Every fenced block of the documents is what it seems: manifests are linted, transcripts are run, commands exist with the
// flags, fields and values that they are given, expressions name metrics that there are.

import assert from "node:assert/strict";
import { globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { after, before, describe, it, test } from "node:test";
import { parse } from "yaml";
import { runCheck } from "../../src/commands/check/check.ts";
import { runLint } from "../../src/commands/lint.ts";
import { denials } from "../../src/core/denials.ts";
import { controllerMetricRows } from "../../src/telemetry/controller-metrics.ts";
import { metricRows } from "../../src/telemetry/metrics.ts";
import { chartFolder, createHelm, type Helm } from "../helm/run-helm.ts";
import { getHelm } from "../support/get-helm.ts";
import { requirement } from "../support/requirements.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import {
  blocks,
  blocksOf,
  infos,
  manifestBlocks,
  pages,
  readmePolicy,
  root,
  transcripts,
} from "./pages.ts";
import { commands, faultOf, notRun, splitWords } from "./shell.ts";

const folder = createTempFolder("docs");
after(() => rmSync(folder.path, { recursive: true, force: true }));

function saved(text: string): string {
  const file = `${folder.path}/policy.yaml`;
  writeFileSync(file, text);
  return file;
}

type Run = (args: readonly string[], io: never) => Promise<number>;

async function ran(run: Run, args: readonly string[]): Promise<string> {
  let output = "";
  const write = (text: string): void => {
    output += text;
  };
  await run(args, { stdout: write, stderr: write, env: {} } as never);
  return output;
}

/** Blocks that are neither a manifest, nor a command, nor a transcript: drawings, by the line they begin with. */
const drawings = [
  "README.md caller ----> Envoy",
  "src/README.md main -> commands",
  "src/README.md core (decide",
];

test("every block of the documents is a manifest, commands, a transcript, or a known drawing", () => {
  const shown = new Set(transcripts.map(({ place }) => place));
  const known: ReadonlySet<string> = new Set(infos);
  const unknown = blocks
    .filter(({ info, place }) => !known.has(info) || (info === "" && !shown.has(place)))
    .filter(({ page, text }) => !drawings.some((each) => `${page} ${text}`.startsWith(each)));
  assert.deepEqual(unknown, []);
  assert.ok(manifestBlocks.length >= 10 && transcripts.length >= 4 && commands.length >= 25);
});

for (const { place, text } of manifestBlocks) {
  test(`the manifests at ${place} have nothing to complain of`, async () => {
    const output = await ran(runLint, [saved(text)]);
    // A Secret is nothing that files can name.
    const complaints = output
      .split("\n")
      .filter((line) => line !== "" && !line.includes("the key is off; files need keyHash"));
    assert.match(
      complaints.join("\n"),
      /^\d+ resources in 1 files: 0 invalid, \d disabled, 0 advice$/,
    );
  });
}

for (const { place, command, output } of transcripts) {
  if (command.startsWith("npm ")) continue;
  test(`the command at ${place} prints what stands there`, async () => {
    const [words = []] = splitWords(command);
    const [name, verb, ...rest] = words;
    assert.equal(name, "aliasguard");
    const run = verb === "check" ? runCheck : verb === "lint" ? runLint : undefined;
    assert.ok(run !== undefined, `aliasguard ${verb} cannot be shown`);
    const policy = saved(readmePolicy);
    const args = rest.map((word) => (word === "policy.yaml" ? policy : word));
    assert.equal(await ran(run, args), output);
  });
}

test("every command of the documents exists, with the flags, values and fields that it is given", () => {
  const faults: string[] = [];
  for (const { place, words } of commands) {
    const fault = faultOf(words);
    if (fault !== undefined) faults.push(`${place}: ${fault}`);
  }
  assert.deepEqual(faults, []);
  const used = new Set(commands.map(({ words }) => words[0]));
  assert.deepEqual(
    Object.keys(notRun).filter((name) => !used.has(name)),
    [],
    "a command that no document uses needs no reason",
  );
});

test("splitWords splits as a shell does", () => {
  const line = `a -o x='1 2' '{"b": "c"}' --d=e > f | (g "h i" && j) # k`;
  assert.deepEqual(splitWords(line), [
    ["a", "-o", "x=1 2", '{"b": "c"}', "--d=e"],
    ["g", "h i"],
    ["j"],
  ]);
});

test("faultOf notices a wrong flag, value, field, script, file and command", () => {
  const wrong = [
    "aliasguard lint --cube",
    "aliasguard chek --policy policy.yaml",
    "helm install a helm/aliasguard --set image.repo=x",
    "helm instal a helm/aliasguard",
    `kubectl patch virtualkey alice --type=merge -p '{"spec": {"disable": true}}'`,
    "kubectl get virtualkies",
    "npm run dokument",
    "node test/none.ts",
    "kubectl exec deployment/a -- aliasguard chek",
    "frobnicate",
  ];
  for (const line of wrong) {
    const [words = []] = splitWords(line);
    assert.notEqual(faultOf(words), undefined, line);
  }
});

for (const { place, text } of blocksOf("yaml envoy")) {
  test(`the part at ${place} stands in a configuration of deploy/`, () => {
    const wanted = bareLines(text);
    assert.ok(wanted.length > 0);
    const files = globSync("deploy/**/*.yaml", { cwd: root });
    const holds = files.some((file) =>
      bareLines(readFileSync(`${root}/${file}`, "utf8"))
        .join("\n")
        .includes(wanted.join("\n")),
    );
    assert.ok(holds, text);
  });
}

/** The lines without indentation, comment marks and comments: a part may stand deeper in its file, or commented out. */
function bareLines(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.replace(/^\s*(# )?\s*/, "").replace(/\s+#.*$/, ""))
    .filter((line) => line !== "");
}

const helm = await requirement(getHelm);
describe("the documents' helm commands", { skip: helm.skip }, () => {
  let chart: Helm;
  before(() => {
    chart = createHelm(helm.value ?? "");
  });
  after(() => chart?.remove());

  it("render the chart with the values that they set", async () => {
    const setsOf = (words: readonly string[]): readonly string[] =>
      words.flatMap((word, at) => (word === "--set" ? ["--set", words[at + 1] ?? ""] : []));
    const setting = commands.filter(
      ({ words }) => words[0] === "helm" && ["install", "upgrade"].includes(words[1] ?? ""),
    );
    assert.ok(setting.length >= 2);
    const installed = setsOf(setting.find(({ words }) => words[1] === "install")?.words ?? []);
    for (const { words, text } of setting) {
      const reused = words.includes("--reuse-values") ? installed : [];
      const args = ["template", "a", chartFolder, ...reused, ...setsOf(words)];
      const { code, stderr } = await chart.run(args);
      assert.equal(code, 0, `${text}: ${stderr}`);
    }
  });

  it("and their values files render it too", async () => {
    assert.ok(blocksOf("yaml values").length > 0);
    for (const { place, text } of blocksOf("yaml values")) {
      const rendered = await chart.template(parse(text)).then(({ length }) => length, String);
      assert.ok(Number(rendered) > 5, `${place}: ${rendered}`);
    }
  });
});

test("the documents' metrics and the refusals in their labels exist", () => {
  const text = [...pages].filter(([page]) => page.startsWith("docs/")).map(([, each]) => each);
  const known = new Set([...metricRows, ...controllerMetricRows].map(([name]) => name as string));
  const families =
    /\b(?:aliasguard|controller_runtime|workqueue|leader_election|grpc_server)_[a-z_]+/g;
  const named = [...text.join("\n").matchAll(families)].map(([name]) =>
    name.replace(/_(bucket|sum|count)$/, ""),
  );
  assert.ok(named.length > 20);
  assert.deepEqual(
    named.filter((name) => !known.has(name)),
    [],
  );
  const reasons = [...text.join("\n").matchAll(/reason=~?"([^"]+)"/g)].flatMap(([, list = ""]) =>
    list.replaceAll("\\", "").split("|"),
  );
  assert.ok(reasons.length > 0);
  assert.deepEqual(
    reasons.filter((reason) => !Object.hasOwn(denials, reason)),
    [],
  );
});

test("what the documents say of files of the repository is there", () => {
  const missing = [...pages].flatMap(([page, text]) => {
    const named = text.matchAll(/`((?:src|test|helm|deploy|docs)\/[A-Za-z0-9_./-]+\.[a-z]+)`/g);
    return [...named]
      .filter(([, path = ""]) => {
        try {
          readFileSync(new URL(`../../${path}`, import.meta.url));
          return false;
        } catch {
          return true;
        }
      })
      .map(([, path]) => `${page}: ${path}`);
  });
  assert.deepEqual(missing, []);
});
