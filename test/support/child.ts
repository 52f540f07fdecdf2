// One child process with a lifetime: its output line by line, waiting for a line, and an end that is certain.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { onProcessEnd } from "./process-end.ts";

export type ChildOptions = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
};

export type ChildExit = {
  readonly code: number | undefined;
  readonly signal: string | undefined;
};

/** How long a child may take to end after SIGTERM before it is killed, in milliseconds. */
const stopMsMax = 10_000;

/** Lines kept of each output, so that a failure can be told; older ones are dropped. */
const linesMax = 20_000;

export class Child {
  readonly name: string;
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  /** Resolves when the process has ended and its output is read. */
  readonly exited: Promise<ChildExit>;
  readonly #process: ChildProcess;
  readonly #disarm: () => void;
  readonly #waiters = new Set<() => void>();
  #exit: ChildExit | undefined;

  constructor({ name, command, args, env, cwd }: ChildOptions) {
    this.name = name;
    this.#process = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.#disarm = onProcessEnd(() => this.#process.kill("SIGKILL"));
    this.#collect(this.#process.stdout, this.stdout);
    this.#collect(this.#process.stderr, this.stderr);
    this.exited = new Promise((resolve) => {
      this.#process.once("error", (error) => {
        this.stderr.push(error.message);
        this.#end(resolve, { code: undefined, signal: undefined });
      });
      this.#process.once("close", (code, signal) =>
        this.#end(resolve, { code: code ?? undefined, signal: signal ?? undefined }),
      );
    });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  get exit(): ChildExit | undefined {
    return this.#exit;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** The first result that `find` gives, tried whenever the child says something. Rejects with its output otherwise. */
  async until<T>(find: () => T | undefined, timeoutMs: number): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (this.#exit !== undefined) throw new Error(this.#failure("ended"));
      if (Date.now() >= deadline)
        throw new Error(this.#failure(`did not start in ${timeoutMs} ms`));
      await this.#change(Math.min(100, deadline - Date.now()));
    }
  }

  /** Ends the process: asks first, kills after ten seconds. Safe to call twice. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<ChildExit> {
    if (this.#exit === undefined) this.#process.kill(signal);
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), stopMsMax);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  #collect(stream: NodeJS.ReadableStream | null, lines: string[]): void {
    if (stream === null) return;
    createInterface({ input: stream }).on("line", (line) => {
      if (lines.length >= linesMax) lines.shift();
      lines.push(line);
      this.#wake();
    });
  }

  #end(resolve: (exit: ChildExit) => void, exit: ChildExit): void {
    this.#exit = exit;
    this.#disarm();
    resolve(exit);
    this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
  }

  #change(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(1, ms));
      this.#waiters.add(done);
    });
  }

  #failure(what: string): string {
    const tail = [...this.stdout.slice(-10), ...this.stderr.slice(-20)].join("\n");
    const exit = this.#exit === undefined ? "" : ` (${JSON.stringify(this.#exit)})`;
    return `${this.name} ${what}${exit}:\n${tail}`;
  }
}

export type RunResult = ChildExit & { readonly stdout: string; readonly stderr: string };

/** Runs a command to its end, at most `timeoutMs`; then it is killed and the code is undefined. */
export async function run(options: ChildOptions, timeoutMs: number): Promise<RunResult> {
  const child = new Child(options);
  const timer = setTimeout(() => child.signal("SIGKILL"), timeoutMs);
  const exit = await child.exited;
  clearTimeout(timer);
  return { ...exit, stdout: child.stdout.join("\n"), stderr: child.stderr.join("\n") };
}
