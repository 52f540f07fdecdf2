// The clients and agents of LLM APIs that only tests need (test/clients), installed from their lock files into the private
// cache, once. They are large, so that nobody gets them unasked: under CI always, elsewhere with GET_CLIENTS=1 or
// GET_AGENTS=1.

import { createHash } from "node:crypto";
import { cpSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { cached, isCached } from "./cache-folder.ts";
import { run } from "./child.ts";
import { MissingComponent } from "./requirements.ts";

type Kind = {
  readonly name: "clients" | "agents";
  readonly folder: string;
  readonly files: readonly string[];
  readonly variable: string;
  readonly what: string;
};

const folder = join(import.meta.dirname, "../clients");
const npmFiles = ["package.json", "package-lock.json"];
const clients: Kind = {
  name: "clients",
  folder,
  files: [...npmFiles, "load.mjs"],
  variable: "GET_CLIENTS",
  what: "the clients of @google/genai, ollama, LangChain and the AI SDK (about 150 MB, once)",
};
const agents: Kind = {
  name: "agents",
  folder: join(folder, "agents"),
  files: npmFiles,
  variable: "GET_AGENTS",
  what: "Claude Code and codex (about 800 MB, once)",
};

const installMsMax = 10 * 60_000;

/** The folder whose node_modules has the clients. Throws MissingComponent when it is not there and may not be made. */
export function getClients(): Promise<string> {
  return get(clients);
}

export type Agents = { readonly claude: string; readonly codex: string };

/** The same for Claude Code and codex. */
export function getAgents(): Promise<string> {
  return get(agents);
}

/** The programs themselves, without the packages' launchers. Throws MissingComponent where this machine has none. */
export function agentPrograms(agentsFolder: string): Agents {
  const find = (pattern: string): string => {
    const [found] = globSync(`node_modules/${pattern}`, { cwd: agentsFolder });
    if (found !== undefined) return join(agentsFolder, found);
    throw new MissingComponent(`no ${pattern} is published for this kind of machine`);
  };
  return {
    claude: find("@anthropic-ai/claude-code-*/claude"),
    codex: find("@openai/codex-*/vendor/*/bin/codex"),
  };
}

/** Loads a package as an ES module out of the folder that `getClients` gave. Its shape is the caller's to say. */
export async function loadClient(clientsFolder: string, name: string): Promise<unknown> {
  const loader = (await import(pathToFileURL(join(clientsFolder, "load.mjs")).href)) as {
    readonly load: (name: string) => Promise<unknown>;
  };
  return loader.load(name);
}

async function get(kind: Kind): Promise<string> {
  const hash = createHash("sha256");
  for (const file of kind.files) hash.update(readFileSync(join(kind.folder, file)));
  const name = `${kind.name}-${hash.digest("hex").slice(0, 12)}`;
  const isAsked = process.env["CI"] === "true" || (process.env[kind.variable] ?? "") !== "";
  if (!isAsked && !isCached(new RegExp(`^${name}$`))) {
    throw new MissingComponent(`\`${kind.variable}=1 npm test\` installs ${kind.what}`);
  }
  return cached(name, (draft) => install(kind, draft));
}

/** No script of a package is run. */
async function install(kind: Kind, draft: string): Promise<void> {
  for (const file of kind.files) cpSync(join(kind.folder, file), join(draft, file));
  const args = ["ci", "--prefix", draft, "--ignore-scripts", "--no-audit", "--no-fund"];
  const ran = await run({ name: "npm ci", command: "npm", args, cwd: draft }, installMsMax);
  if (ran.code === 0) return;
  throw new MissingComponent(`npm ci of ${kind.what} failed: ${ran.stderr.slice(-800)}`);
}
