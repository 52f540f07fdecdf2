// Servers and load for the benches: each server a process of its own on the first core, the load from h2load on the second,
// and the processor time that the scheduler says a server took.

import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export const connections = 4;
export const streamsEach = 10;

const has = (command: string): boolean => spawnSync(command, ["--version"]).error === undefined;

/** Debian's nghttp2-client. Without it the load is a Node program, which costs as much as the servers and flatters them. */
export const hasH2load = has("h2load");
const isPinned = has("taskset") && availableParallelism() > 1;

/** What the reader of the figures must know of how they came about. */
export function methodNotes(): readonly string[] {
  return [
    `Node ${process.version}, ${availableParallelism()} cores`,
    hasH2load ? "load from h2load" : "NO h2load: a Node client shares the cores, ratios flatter",
    isPinned ? "servers pinned to one core, the load to another" : "not pinned",
  ];
}

export type Server = {
  readonly name: string;
  readonly origin: string;
  readonly child: ChildProcess;
};

const folder = mkdtempSync(join(tmpdir(), "aliasguard-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
let files = 0;

/** A file that lasts as long as this process. */
export function fileOf(bytes: Uint8Array): string {
  const path = join(folder, String(files++));
  writeFileSync(path, bytes);
  return path;
}

/** A command, and its arguments, that runs on that core where it can be. */
export function pinned(
  core: number,
  command: readonly string[],
): readonly [command: string, args: readonly string[]] {
  const [first = "", ...rest] = command;
  return isPinned ? ["taskset", ["-c", String(core), first, ...rest]] : [first, rest];
}

export async function startServer(name: string, args: readonly string[]): Promise<Server> {
  const file = join(import.meta.dirname, "check-server.ts");
  const [command, given] = pinned(0, [process.execPath, file, ...args]);
  const child = spawn(command, given, { stdio: ["ignore", "pipe", "inherit"] });
  process.on("exit", () => child.kill("SIGKILL"));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { name, origin: `http://${line.toString().trim()}`, child };
}

/** Microseconds that all threads of the process have run. */
export function cpuUs({ child }: Pick<Server, "child">): number {
  const tasks = `/proc/${child.pid}/task`;
  let ns = 0;
  for (const task of readdirSync(tasks)) {
    const [ran = "0"] = readFileSync(join(tasks, task, "schedstat"), "utf8").split(" ");
    ns += Number(ran);
  }
  return ns / 1000;
}

export type Load = { readonly path: string; readonly frame: Buffer; readonly calls: number };
export type Sample = { readonly cpuUsPerCall: number; readonly callsPerSecond: number };

/** Runs the load against one server and gives what a call cost. Throws when a call was not answered. */
export async function measure(server: Server, load: Load): Promise<Sample> {
  const before = cpuUs(server);
  const startMs = performance.now();
  await (hasH2load ? loadByH2load(server, load) : loadByNode(server, load));
  const seconds = (performance.now() - startMs) / 1000;
  const cpuUsPerCall = (cpuUs(server) - before) / load.calls;
  return { cpuUsPerCall, callsPerSecond: load.calls / seconds };
}

const run = promisify(execFile);
const frameFiles = new Map<Buffer, string>();

async function loadByH2load({ origin }: Server, { path, frame, calls }: Load): Promise<void> {
  const file = frameFiles.get(frame) ?? fileOf(frame);
  frameFiles.set(frame, file);
  const [command, args] = pinned(1, [
    ...["h2load", "-n", String(calls), "-c", String(connections), "-m", String(streamsEach)],
    ...["-d", file, "-H", "content-type: application/grpc", "-H", "te: trailers"],
    `${origin}${path}`,
  ]);
  const { stdout } = await run(command, args, { maxBuffer: 2 ** 24 });
  const [, good] = /status codes: (\d+) 2xx/.exec(stdout) ?? [];
  if (Number(good) !== calls) throw new Error(`${good} of ${calls} calls were answered\n${stdout}`);
}

async function loadByNode({ origin }: Server, { path, frame, calls }: Load): Promise<void> {
  let left = calls;
  const sessions = Array.from({ length: connections }, () => connect(origin));
  const worker = async (session: ClientHttp2Session): Promise<void> => {
    while (left-- > 0) await call(session, path, frame);
  };
  await Promise.all(
    sessions.flatMap((session) => Array.from({ length: streamsEach }, () => worker(session))),
  );
  for (const session of sessions) session.destroy();
}

/** The bytes of the answer. */
export function call(session: ClientHttp2Session, path: string, frame: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ...{ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" },
    });
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => resolve(Buffer.concat(chunks)));
    stream.end(frame);
  });
}

export async function ask({ origin }: Server, path: string, frame: Buffer): Promise<Buffer> {
  const session = connect(origin);
  try {
    return await call(session, path, frame);
  } finally {
    session.destroy();
  }
}

/** `items` in another order each time. */
export function shuffled<Item>(items: readonly Item[]): readonly Item[] {
  const keyed = items.map((item) => [Math.random(), item] as const);
  return keyed.sort(([a], [b]) => a - b).map(([, item]) => item);
}

export type Spread = { readonly median: number; readonly least: number; readonly most: number };

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return { median: at(sorted.length >> 1), least: at(0), most: at(sorted.length - 1) };
}

export function shown({ median, least, most }: Spread, digits = 2): string {
  const [a, b, c] = [median, least, most].map((value) => value.toFixed(digits));
  return `${a} [${b}..${c}]`;
}
