// The commands of the documents' `sh` blocks: split into words as a shell would, and checked as far as can be without
// running them. What is run elsewhere is said where.

import { existsSync, readFileSync } from "node:fs";
import { crdDefinitions } from "../../helm/crd-schemas.ts";
import { checkUsage } from "../../src/commands/check/check.ts";
import { controllerUsage } from "../../src/commands/controller/flags.ts";
import { keyNewUsage } from "../../src/commands/key/key-new.ts";
import { keyRotateUsage } from "../../src/commands/key/key-rotate.ts";
import { lintUsage } from "../../src/commands/lint.ts";
import { lintEnvoyUsage } from "../../src/commands/lint-envoy.ts";
import { probeUsage } from "../../src/commands/probe/probe.ts";
import { settingRows } from "../../src/settings/settings.ts";
import { chartSettings, settingName, valueRows } from "../helm/values-tables.ts";
import { fieldPathsOf, pathsOfValue } from "./field-paths.ts";
import { type Block, blocks, root } from "./pages.ts";

export type Command = {
  /** Where it stands, and its text. */
  readonly place: string;
  readonly text: string;
  readonly words: readonly string[];
};

/** Commands that no test can run, each with the reason: a closed list. */
export const notRun: Readonly<Record<string, string>> = {
  docker: "needs a container engine and a registry; the image is built by test:cluster without one",
  curl: "shows a request that the end-to-end tests make by themselves",
  envoy: "the configuration is run by the end-to-end tests, with a port of its own",
  litellm: "the end-to-end tests start it with a configuration of their own",
  sha256sum: "is no command of ours",
  grep: "is no command of ours",
  cd: "changes a folder for the next command",
};

/** An operator, a redirection with its file, a comment, or a word with its quoted parts. */
const tokenPattern =
  /(&&|[|;()])|>+\s*(\S+)|(#.*$)|((?:'[^']*'|"[^"]*"|[^\s|;&()'"#>])(?:'[^']*'|"[^"]*"|[^\s|;&()'"])*)/g;

export const commands: readonly Command[] = blocks
  .filter(({ info }) => info === "sh")
  .flatMap(commandsOf);

function commandsOf(block: Block): readonly Command[] {
  const lines = block.text.replaceAll("\\\n", " ").split("\n");
  return lines
    .flatMap((line) => splitWords(line))
    .filter((words) => words.length > 0)
    .map((words) => ({ place: block.place, text: words.join(" "), words }));
}

/** The simple commands of a line, each as its words: without comments, redirections and the operators between them. */
export function splitWords(line: string): readonly (readonly string[])[] {
  const found: string[][] = [[]];
  for (const [, operator, redirected, comment, word] of line.matchAll(tokenPattern)) {
    if (operator !== undefined) found.push([]);
    if (operator !== undefined || redirected !== undefined || comment !== undefined) continue;
    const bare = word?.replaceAll(/'([^']*)'|"([^"]*)"/g, (_, single, double) => single ?? double);
    found.at(-1)?.push(bare ?? "");
  }
  return found.filter((words) => words.length > 0);
}

/** What is wrong with a command; undefined: nothing. */
export function faultOf(words: readonly string[]): string | undefined {
  const [name = "", ...rest] = words;
  switch (name) {
    case "aliasguard":
      return ownFault(rest);
    case "kubectl":
      return kubectlFault(rest);
    case "helm":
      return helmFault(rest);
    case "npm":
      return npmFault(rest);
    case "node":
      return nodeFault(rest);
    default:
      return notRun[name] === undefined ? `${name} is in no list of test/docs/shell.ts` : undefined;
  }
}

function nodeFault([file = "", ...rest]: readonly string[]): string | undefined {
  if (file === "src/main.ts") return ownFault(rest);
  return existsSync(`${root}/${file}`) ? undefined : `there is no ${file}`;
}

/** The text that names a command's flags; empty: there is no such command. */
const usages: Readonly<Record<string, string>> = {
  serve: settingRows.map(({ flag }) => `--${flag} `).join(""),
  controller: controllerUsage,
  check: checkUsage,
  lint: `${lintUsage} ${lintEnvoyUsage}`,
  probe: probeUsage,
  key: `${keyNewUsage} ${keyRotateUsage}`,
  "--version": "",
};

function ownFault([command = "", ...rest]: readonly string[]): string | undefined {
  const usage = usages[command];
  if (usage === undefined) return `aliasguard has no command ${command}`;
  const unknown = rest.find((word) => word.startsWith("--") && !usage.includes(`${word} `));
  return unknown && `aliasguard ${command} has no ${unknown}`;
}

const scripts = (
  JSON.parse(readFileSync(`${root}/package.json`, "utf8")) as {
    readonly scripts: Readonly<Record<string, string>>;
  }
).scripts;

function npmFault([verb = "", script = ""]: readonly string[]): string | undefined {
  if (verb === "ci" || verb === "test") return undefined;
  return verb === "run" && scripts[script] !== undefined
    ? undefined
    : `npm has no script ${script}`;
}

const chartValues: ReadonlySet<string> = new Set([
  ...valueRows().map(({ path }) => path),
  ...chartSettings().map(({ flag }) => `settings.${settingName(flag)}`),
]);
const helmVerbs = new Set(["install", "upgrade", "rollback", "uninstall", "test"]);
const helmFlags = new Set([
  ...["--namespace", "--create-namespace", "--set", "--reuse-values", "--take-ownership"],
]);

function helmFault([verb = "", ...rest]: readonly string[]): string | undefined {
  if (!helmVerbs.has(verb)) return `helm ${verb} is not known`;
  for (const [at, word] of rest.entries()) {
    if (word.startsWith("--") && !helmFlags.has(word)) return `helm ${word} is not known`;
    if (word !== "--set") continue;
    const [value = ""] = (rest[at + 1] ?? "").split("=");
    if (!chartValues.has(value)) return `the chart has no value ${value}`;
  }
  const wantsChart = verb === "install" || verb === "upgrade";
  return wantsChart && !rest.includes("helm/aliasguard")
    ? "the chart is helm/aliasguard"
    : undefined;
}

const kubectlVerbs = new Set([
  ...["apply", "get", "delete", "patch", "wait", "rollout", "logs", "exec", "explain", "scale"],
]);
type Names = { readonly spec: { readonly names: Readonly<Record<string, unknown>> } };
const ours: ReadonlySet<string> = new Set(
  [...crdDefinitions.values()].flatMap((each) => {
    const { plural, singular, shortNames } = (each as Names).spec.names;
    return [plural, singular, ...(shortNames as readonly string[])].map(String);
  }),
);
const builtin = new Set([
  ...["deployment", "configmaps", "pods", "secrets", "lease", "events"],
  // Of Envoy Gateway and the Gateway API.
  ...["envoyextensionpolicies", "envoypatchpolicies", "httproutes"],
]);

/** Whether kubectl is asked about custom resources alone: readme-cluster.test.ts runs these. */
export function isAboutOurs([name, verb = "", resources = ""]: readonly string[]): boolean {
  return (
    name === "kubectl" &&
    ["get", "patch", "delete"].includes(verb) &&
    resources.split(",").every((each) => ours.has(each))
  );
}

function kubectlFault([verb = "", ...rest]: readonly string[]): string | undefined {
  if (!kubectlVerbs.has(verb)) return `kubectl ${verb} is not known`;
  if (verb === "apply") return rest.includes("-f") ? undefined : "kubectl apply wants -f";
  const [resources = ""] = verb === "rollout" ? rest.slice(1) : rest;
  const unknown = (resources.split("/")[0] ?? "")
    .split(",")
    .find((each) => !ours.has(each) && !builtin.has(each));
  if (unknown !== undefined) return `there is no resource ${unknown}`;
  if (verb === "exec") return faultOf(rest.slice(rest.indexOf("--") + 1));
  return verb === "patch" ? patchFault(resources, rest[rest.indexOf("-p") + 1] ?? "") : undefined;
}

function patchFault(resource: string, text: string): string | undefined {
  const known = [...crdDefinitions.values()].find((each) =>
    Object.values((each as Names).spec.names).includes(resource),
  );
  const paths = new Set(known === undefined ? [] : fieldPathsOf(known));
  const patched = pathsOfValue(JSON.parse(text));
  const unknown = patched.find((path) => path !== "spec" && !paths.has(path));
  return unknown && `${resource} has no field ${unknown}`;
}
