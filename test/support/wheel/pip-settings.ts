// What pip would do on this machine, read as pip reads it (its configuration files, then PIP_ variables; pip 26.0), so
// that a mirror somebody has set for Python is the place that is asked. Only what fetching one wheel needs is read.

import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where packages come from, when nothing says otherwise: pip's own default. */
const defaultIndex = "https://pypi.org/simple";

export type PipSettings = {
  /** Index URLs in the order in which they are asked; none with `no-index`. They may hold a credential. */
  readonly indexes: readonly string[];
  /** Folders of wheels on this machine (`find-links`), looked through first. */
  readonly folders: readonly string[];
  /** A file of certificates to trust besides those of Node.js and the system. */
  readonly cert: string | undefined;
  readonly proxy: string | undefined;
};

export type PipMachine = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly platform: string;
  /** A file's text; undefined when it cannot be read. */
  readonly read: (path: string) => string | undefined;
};

export function thisMachine(): PipMachine {
  return { env: process.env, home: homedir(), platform: process.platform, read: readOrNothing };
}

/** The settings that `pip download` would run with. Never throws; a file that cannot be read counts as absent. */
export function readPipSettings(machine: PipMachine): PipSettings {
  const values = mergedValues(machine);
  const one = (name: string): string | undefined => values.get(name)?.trim();
  const list = (name: string): readonly string[] => (values.get(name) ?? "").split(/\s+/);
  const isOff = /^(1|true|yes|on|t|y)$/i.test(one("no-index") ?? "");
  const indexes = [one("index-url") ?? defaultIndex, ...list("extra-index-url")];
  const folders = list("find-links").map((each) => localFolder(each, machine.home));
  return {
    indexes: isOff ? [] : indexes.filter((each) => each !== ""),
    folders: folders.filter((each) => each !== undefined),
    cert: one("cert"),
    proxy: one("proxy"),
  };
}

/** A section's own command beats `global` wherever it stands, and a variable beats both; empty values do not count. */
function mergedValues(machine: PipMachine): ReadonlyMap<string, string> {
  const sections = { global: new Map<string, string>(), download: new Map<string, string>() };
  for (const path of configFiles(machine)) {
    for (const { section, name, value } of iniValues(machine.read(path) ?? "")) {
      if (section === "global" || section === "download") sections[section].set(name, value);
    }
  }
  const variables = Object.entries(machine.env).flatMap(([name, value]) => {
    if (!name.startsWith("PIP_") || value === undefined) return [];
    return [[optionName(name.slice(4)), value] as const];
  });
  const all = [...sections.global, ...sections.download, ...variables];
  return new Map(all.filter(([, value]) => value.trim() !== ""));
}

/** Later ones win. With PIP_CONFIG_FILE the user's own files are not read, and with an empty device nothing is. */
function configFiles({ env, home, platform, read }: PipMachine): readonly string[] {
  const named = env["PIP_CONFIG_FILE"] ?? "";
  if (named === "/dev/null") return [];
  const isMac = platform === "darwin";
  const shared = isMac
    ? ["/Library/Application Support/pip"]
    : folderList(env["XDG_CONFIG_DIRS"], "/etc/xdg").map((each) => join(each, "pip"));
  const configHome = env["XDG_CONFIG_HOME"] ?? "";
  const folder = join(configHome === "" ? join(home, ".config") : configHome, "pip");
  const ofUser = [join(home, ".pip"), ...(isMac ? macFolders(home) : []), folder];
  const ofPlace = (env["VIRTUAL_ENV"] ?? "") === "" ? [] : [env["VIRTUAL_ENV"] ?? ""];
  const isNamed = named !== "" && read(named) !== undefined;
  const folders = [...shared, ...(isMac ? [] : ["/etc"]), ...(isNamed ? [] : ofUser), ...ofPlace];
  return [...folders.map((each) => join(each, "pip.conf")), ...(named === "" ? [] : [named])];
}

function macFolders(home: string): readonly string[] {
  return [join(home, "Library/Application Support/pip")];
}

function folderList(text: string | undefined, otherwise: string): readonly string[] {
  return (text === undefined || text === "" ? otherwise : text).split(":").filter(Boolean);
}

type IniValue = { readonly section: string; readonly name: string; readonly value: string };

/** The files of Python's configparser: `name = value` or `name: value`, continued by lines that are indented. */
function iniValues(text: string): readonly IniValue[] {
  const values: { section: string; name: string; value: string }[] = [];
  let section = "";
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*([#;]|$)/.test(line)) continue;
    const last = values.at(-1);
    if (/^\s/.test(line) && last !== undefined) {
      last.value += `\n${line.trim()}`;
      continue;
    }
    const [, header] = /^\[([^\]]+)\]/.exec(line) ?? [];
    if (header !== undefined) section = header.trim();
    const [, name, value] = header === undefined ? (/^([^=:]+)[=:](.*)$/.exec(line) ?? []) : [];
    if (name === undefined || value === undefined) continue;
    values.push({ section, name: optionName(name.trim()), value: value.trim() });
  }
  return values;
}

function optionName(name: string): string {
  return name.toLowerCase().replaceAll("_", "-").replace(/^--/, "");
}

/** A place of `find-links` that is a folder here; pages on the web are pip's own business. */
function localFolder(place: string, home: string): string | undefined {
  try {
    const path = place.startsWith("file:") ? fileURLToPath(place) : place.replace(/^~(?=\/)/, home);
    return path !== "" && statSync(path).isDirectory() ? path : undefined;
  } catch {
    return undefined;
  }
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
