// The kubeconfig files that kubectl would use, as one. @kubernetes/client-node reads them otherwise: the last file's
// current context wins, a file that is not there is an error, tokenFile is passed by, and a mistake is shown with the
// lines around it, which hold credentials.

import { existsSync, readFileSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { parseDocument } from "yaml";
import { quoted } from "../policy/decode/shown-text.ts";
import { KubeError, messageOf, recordOf } from "./transport.ts";

export type KubeconfigPlaces = {
  /** A file that somebody named: it has to be there. */
  readonly named: string | undefined;
  /** KUBECONFIG: several files, and those that are not there are passed by. */
  readonly variable: string | undefined;
  /** HOME; a pod may have none. */
  readonly home: string | undefined;
};

type Entry = Readonly<Record<string, unknown>>;
type Kubeconfig = {
  readonly currentContext: unknown;
  readonly clusters: readonly Entry[];
  readonly contexts: readonly Entry[];
  readonly users: readonly Entry[];
};

/** As JSON; undefined where there is no file. Throws a KubeError, which repeats nothing of a file. */
export function readKubeconfig({ named, variable, home }: KubeconfigPlaces): string | undefined {
  const files = filesOf({ named, variable, home });
  if (files.length === 0) return undefined;
  const read = files.map(readFile);
  return JSON.stringify({
    "current-context": read.map((each) => each.currentContext).find(Boolean),
    clusters: firstOfEachName(read.flatMap((each) => each.clusters)),
    contexts: firstOfEachName(read.flatMap((each) => each.contexts)),
    users: firstOfEachName(read.flatMap((each) => each.users)),
  });
}

function filesOf({ named, variable = "", home = "" }: KubeconfigPlaces): readonly string[] {
  if (named !== undefined) return [named];
  const listed = variable.split(delimiter).filter((file) => file !== "");
  if (listed.length > 0) {
    const there = listed.filter((file) => existsSync(file));
    // Another cluster than the one that was meant would be worse.
    if (there.length === 0)
      throw new KubeError("no kubeconfig: KUBECONFIG names no file that is there");
    return there;
  }
  if (home === "") return [];
  return [join(home, ".kube", "config")].filter((file) => existsSync(file));
}

function readFile(file: string): Kubeconfig {
  const wrong = (what: string): KubeError =>
    new KubeError(`no kubeconfig: ${quoted(file)} ${what}`);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : messageOf(error);
    throw wrong(`cannot be read: ${code}`);
  }
  const document = parseDocument(text, { prettyErrors: true });
  const [mistake] = document.errors;
  if (mistake !== undefined) throw wrong(`is no YAML at line ${mistake.linePos?.[0].line ?? 1}`);
  let value: unknown;
  try {
    value = document.toJS();
  } catch {
    throw wrong("is no YAML: its aliases cannot be followed");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong("holds no kubeconfig");
  }
  const { clusters, contexts, users, "current-context": currentContext } = recordOf(value);
  const folder = dirname(file);
  const paths = [
    ["cluster", ["certificate-authority"]],
    ["user", ["client-certificate", "client-key", "tokenFile"]],
  ] as const;
  const entries = (list: unknown): readonly Entry[] =>
    (Array.isArray(list) ? list : []).map((entry: unknown) => {
      let found = recordOf(entry);
      for (const [part, fields] of paths) {
        if (typeof found[part] !== "object" || found[part] === null) continue;
        found = { ...found, [part]: withAbsolutePaths(recordOf(found[part]), fields, folder) };
      }
      return found;
    });
  return {
    currentContext,
    clusters: entries(clusters),
    contexts: entries(contexts),
    users: entries(users).map(withTokenFile),
  };
}

/** Paths are relative to the file that holds them. */
function withAbsolutePaths(given: Entry, fields: readonly string[], folder: string): Entry {
  const absolute = { ...given };
  for (const field of fields) {
    const path = given[field];
    if (typeof path !== "string" || path === "" || isAbsolute(path)) continue;
    absolute[field] = join(folder, path);
  }
  const exec = recordOf(given["exec"]);
  const { command } = exec;
  if (typeof command === "string" && command.includes("/") && !isAbsolute(command)) {
    absolute["exec"] = { ...exec, command: join(folder, command) };
  }
  return absolute;
}

/** In the words that client-node knows, which reads the file again each minute. It comes before a token, as for kubectl. */
function withTokenFile(entry: Entry): Entry {
  const { tokenFile, ...user } = recordOf(entry["user"]);
  if (typeof tokenFile !== "string" || tokenFile === "") return entry;
  const provider = { name: "tokenFile", config: { tokenFile } };
  return { ...entry, user: { ...user, token: undefined, "auth-provider": provider } };
}

function firstOfEachName(entries: readonly Entry[]): readonly Entry[] {
  const first = new Map<unknown, Entry>();
  for (const entry of entries) {
    const name = entry["name"];
    if (!first.has(name)) first.set(name, entry);
  }
  return [...first.values()];
}
