// The authorizer as its users run it: `aliasguard serve` in a process of its own.

import { join } from "node:path";
import { Child } from "./child.ts";

export type Authorizer = {
  /** The bound addresses, as the ready line has them: `host:port` or `unix:/path`. */
  readonly listen: readonly string[];
  readonly port: number;
  readonly adminPort: number;
  /** Log lines so far, parsed. */
  log(): readonly Record<string, unknown>[];
  decisions(): readonly Record<string, unknown>[];
  /** The output that is no JSON: crashes and warnings. */
  strayLines(): readonly string[];
  signal(signal: NodeJS.Signals): void;
  readonly pid: number;
  readonly exited: Child["exited"];
  stop(): Promise<void>;
};

export type AuthorizerOptions = {
  readonly policy: string;
  /** Default: a free loopback port. */
  readonly listen?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

const mainFile = join(import.meta.dirname, "../../src/main.ts");
const startMsMax = 20_000;

/** Starts it and waits for the line that says ready. */
export async function startAuthorizer(options: AuthorizerOptions): Promise<Authorizer> {
  const { policy, listen = ["127.0.0.1:0"], args = [], env = {} } = options;
  const addresses = listen.flatMap((address) => ["--listen", address]);
  const child = new Child({
    name: "aliasguard serve",
    command: process.execPath,
    args: [mainFile, "serve", "--policy", policy, ...addresses, "--admin", "127.0.0.1:0", ...args],
    env: { ALIASGUARD_DRAIN_DELAY_MS: "0", ...env },
  });
  try {
    const ready = await child.until(() => lines(child).find(isReady), startMsMax);
    return authorizerOf(child, ready);
  } catch (error) {
    await child.stop("SIGKILL");
    throw error;
  }
}

function authorizerOf(child: Child, ready: Record<string, unknown>): Authorizer {
  const listen = Array.isArray(ready["listen"]) ? ready["listen"].map(String) : [];
  return {
    listen,
    port: portOf(listen.find((address) => !address.startsWith("unix:")) ?? ""),
    adminPort: portOf(String(ready["admin"])),
    pid: child.pid,
    exited: child.exited,
    log: () => lines(child),
    decisions: () => lines(child).filter((line) => line["msg"] === "decision"),
    strayLines: () => [...child.stderr, ...child.stdout.filter((line) => !line.startsWith("{"))],
    signal: (signal) => child.signal(signal),
    async stop() {
      // A stopped process takes no SIGTERM.
      child.signal("SIGCONT");
      await child.stop();
    },
  };
}

function isReady(line: Record<string, unknown>): boolean {
  return line["msg"] === "ready";
}

function lines(child: Child): readonly Record<string, unknown>[] {
  return child.stdout.filter((line) => line.startsWith("{")).map(parseLine);
}

function parseLine(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line);
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function portOf(address: string): number {
  return Number(/:(\d+)$/.exec(address)?.[1] ?? 0);
}
