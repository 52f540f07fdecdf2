// One Envoy with a lifetime: its configuration validated first, its ports its own choice, and what it says on stderr kept,
// for an Envoy that warns about our configuration is a finding.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Child, run } from "./child.ts";
import type { ConfigNode } from "./envoy-config.ts";
import { createTempFolder } from "./temp-folder.ts";

export type Envoy = {
  readonly port: number;
  readonly adminPort: number;
  /** Warnings and errors so far. */
  findings(): readonly string[];
  /** The access log so far, one object a request. */
  accessLog(): Promise<readonly Record<string, unknown>[]>;
  /** A counter or gauge; 0 when Envoy does not have it. */
  stat(name: string): Promise<number>;
  stop(): Promise<void>;
};

const startMsMax = 20_000;

/** Starts `binary` and waits until it is ready. Throws with Envoy's own words when it does not like the configuration. */
export async function startEnvoy(binary: string, config: ConfigNode): Promise<Envoy> {
  const folder = createTempFolder("envoy");
  const file = join(folder.path, "envoy.json");
  writeFileSync(file, JSON.stringify(config, undefined, 1));
  const options = { name: "envoy", command: binary };
  const validation = ["--mode", "validate", "-c", file, "-l", "error"];
  const validated = await run({ ...options, args: validation }, startMsMax);
  if (validated.code !== 0) {
    folder.remove();
    throw new Error(`Envoy refused the configuration: ${validated.stderr}`);
  }
  const adminFile = join(folder.path, "admin.txt");
  const flags = ["--disable-hot-restart", "--concurrency", "1", "-l", "warning"];
  const log = ["--file-flush-interval-msec", "100"];
  const place = ["-c", file, "--admin-address-path", adminFile];
  const child = new Child({ ...options, args: [...place, ...flags, ...log] });
  try {
    const adminPort = await child.until(() => readAdminPort(adminFile), startMsMax);
    const port = await listenerPort(child, adminPort);
    return envoyOf(child, { port, adminPort, removeFolder: () => folder.remove() });
  } catch (error) {
    await child.stop("SIGKILL");
    folder.remove();
    throw error;
  }
}

type Running = {
  readonly port: number;
  readonly adminPort: number;
  readonly removeFolder: () => void;
};

function envoyOf(child: Child, { port, adminPort, removeFolder }: Running): Envoy {
  return {
    port,
    adminPort,
    findings: () => child.stderr.filter((line) => !line.trim().startsWith("[info]")),
    async accessLog() {
      await admin(adminPort, "/reopen_logs", "POST");
      await new Promise((resolve) => setTimeout(resolve, 300));
      return child.stdout.filter((line) => line.startsWith("{")).map(parseLine);
    },
    async stat(name) {
      const text = await admin(adminPort, `/stats?filter=^${encodeURIComponent(name)}$`);
      return Number(text.split(": ")[1] ?? 0);
    },
    async stop() {
      await child.stop();
      removeFolder();
    },
  };
}

function parseLine(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line);
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function readAdminPort(file: string): number | undefined {
  let text = "";
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
  const port = Number(/:(\d+)$/.exec(text.trim())?.[1]);
  return port > 0 ? port : undefined;
}

async function listenerPort(child: Child, adminPort: number): Promise<number> {
  const deadline = Date.now() + startMsMax;
  while (Date.now() < deadline && child.exit === undefined) {
    const ready = await admin(adminPort, "/ready").catch(() => "");
    const listeners = ready.includes("LIVE")
      ? await admin(adminPort, "/listeners?format=json")
      : "";
    const port = Number(/"port_value":\s*(\d+)/.exec(listeners)?.[1]);
    if (port > 0) return port;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  throw new Error(`Envoy did not become ready: ${child.stderr.slice(-10).join("\n")}`);
}

async function admin(port: number, path: string, method = "GET"): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
  return response.text();
}
