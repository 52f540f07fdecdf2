// A certificate, its key and the authorities of clients from files, such as a mounted Secret, kept current. What does not
// belong together, cannot be read or has expired never replaces what is in force.

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { createSecureContext } from "node:tls";

/** Milliseconds between two looks at the files. */
export const tlsPollMs = 1000;

/** Bytes of each file: a bundle of every public authority has a quarter of it. */
const bytesMax = 1024 * 1024;

/** Looks before a start without a usable pair is given up: one may fall between the writing of two files. */
const firstLooksMax = 5;

export type TlsFilePaths = {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string | undefined;
};

/** PEM. */
export type LoadedTls = {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly clientCa: Buffer | undefined;
  /** Those of `clientCa`, one by one. */
  readonly authorities: readonly X509Certificate[];
  /** When the certificate ends. */
  readonly expiresAtMs: number;
};

export type TlsFilesOptions = {
  readonly paths: TlsFilePaths;
  readonly nowMs: () => number;
  /** `recovered`: after `rejected`, the files hold once more what is in force. */
  readonly reportResult: (result: "replaced" | "rejected" | "recovered") => void;
  /** What keeps files out of force, or what is wrong with those in force: once, until it turns out otherwise. */
  readonly reportProblem: (problem: string) => void;
  /** Material that is in force from now on. */
  readonly reportChange: (loaded: LoadedTls) => void;
  /** Waits until the next look; for tests. Rejects when `signal` aborts. */
  readonly wait?: (signal: AbortSignal) => Promise<void>;
};

export type TlsFiles = {
  /** Resolves when a usable pair is in force. Rejects, saying why, when there is none. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Of the certificate in force. */
  expiresAtMs(): number | undefined;
};

export function createTlsFiles(options: TlsFilesOptions): TlsFiles {
  const { paths, nowMs, reportResult, reportProblem, reportChange, wait = waitForLook } = options;
  const stopping = new AbortController();
  let inForce: LoadedTls | undefined;
  let rejection: string | undefined;
  let complaint: string | undefined;
  let running: Promise<void> | undefined;

  async function look(): Promise<void> {
    const found = await readFiles(paths);
    const loaded = typeof found === "string" ? found : accepted(found, inForce, nowMs());
    if (typeof loaded === "string") reject(loaded);
    else if (loaded === inForce) {
      if (rejection !== undefined) reportResult("recovered");
      rejection = undefined;
    } else {
      rejection = undefined;
      inForce = loaded;
      reportResult("replaced");
      reportChange(loaded);
    }
    complain();
  }

  function reject(problem: string): void {
    if (problem === rejection) return;
    rejection = problem;
    reportResult("rejected");
    reportProblem(problem);
  }

  /** What is in force may expire while nobody touches the files. */
  function complain(): void {
    const before = complaint;
    complaint = inForce === undefined ? undefined : ended(inForce, nowMs());
    if (complaint !== undefined && complaint !== before) reportProblem(complaint);
  }

  async function lookUntilStopped(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await wait(stopping.signal);
      } catch {
        return;
      }
      if (!stopping.signal.aborted) await look();
    }
  }

  return {
    async start() {
      if (running !== undefined || stopping.signal.aborted) return;
      await look();
      for (let looks = 1; inForce === undefined && looks < firstLooksMax; looks += 1) {
        await wait(stopping.signal);
        await look();
      }
      if (inForce === undefined) throw new Error(`no TLS certificate can be used: ${rejection}`);
      running = lookUntilStopped();
    },
    async stop() {
      stopping.abort();
      await running;
    },
    expiresAtMs: () => inForce?.expiresAtMs,
  };
}

type Files = Pick<LoadedTls, "cert" | "key" | "clientCa">;

/** What may come into force, `inForce` itself where nothing has changed, or why not. */
function accepted(files: Files, inForce: LoadedTls | undefined, nowMs: number): LoadedTls | string {
  const isSame =
    inForce !== undefined &&
    files.cert.equals(inForce.cert) &&
    files.key.equals(inForce.key) &&
    (files.clientCa ?? noBytes).equals(inForce.clientCa ?? noBytes);
  if (isSame) return inForce;
  const leaf = parsed("certificate", () => new X509Certificate(files.cert));
  if (typeof leaf === "string") return leaf;
  const key = parsed("key", () => createPrivateKey(files.key));
  if (typeof key === "string") return key;
  if (!leaf.checkPrivateKey(key)) return "the certificate and the key do not belong together";
  const authorities = parsed("client authorities", () => bundleOf(files.clientCa));
  if (typeof authorities === "string") return authorities;
  const context = parsed("certificate chain", () => createSecureContext(contextOf(files)));
  if (typeof context === "string") return context;
  const loaded = { ...files, authorities, expiresAtMs: Date.parse(leaf.validTo) };
  const fromMs = Date.parse(leaf.validFrom);
  // Better than nothing at a start, where a peer may yet take it; never better than one that holds.
  if (inForce !== undefined && ended(inForce, nowMs) === undefined) {
    if (fromMs > nowMs) return `the certificate is not valid before ${leaf.validFrom}`;
    const problem = ended(loaded, nowMs);
    if (problem !== undefined) return problem;
  }
  return loaded;
}

const noBytes = Buffer.alloc(0);

/** Of an error its code alone: a message could repeat what stands in the file. */
function parsed<Value>(what: string, read: () => Value): Value | string {
  try {
    return read();
  } catch (error) {
    return `the ${what} cannot be read (${codeOf(error)})`;
  }
}

function contextOf({ cert, key, clientCa }: Files) {
  return clientCa === undefined ? { cert, key } : { cert, key, ca: clientCa };
}

/** Throws where there is no certificate, or one that cannot be read: some client would be turned away unasked. */
function bundleOf(bundle: Buffer | undefined): readonly X509Certificate[] {
  if (bundle === undefined) return [];
  const blocks = bundle
    .toString("latin1")
    .match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
  if (blocks === null) throw new Error("no certificate");
  return blocks.map((block) => new X509Certificate(block));
}

function ended({ authorities, expiresAtMs }: LoadedTls, nowMs: number): string | undefined {
  if (expiresAtMs <= nowMs) {
    return `the certificate expired at ${new Date(expiresAtMs).toISOString()}`;
  }
  const isOver = authorities.every(({ validTo }) => Date.parse(validTo) <= nowMs);
  return authorities.length > 0 && isOver ? "every client authority has expired" : undefined;
}

async function readFiles({ cert, key, clientCa }: TlsFilePaths): Promise<Files | string> {
  try {
    return {
      cert: await readBounded(cert),
      key: await readBounded(key),
      clientCa: clientCa === undefined ? undefined : await readBounded(clientCa),
    };
  } catch (error) {
    return error instanceof Unreadable ? error.message : `cannot be read (${codeOf(error)})`;
  }
}

class Unreadable extends Error {}

async function readBounded(path: string): Promise<Buffer> {
  let problem: string;
  try {
    const about = await stat(path);
    if (about.isFile() && about.size <= bytesMax) return await readFile(path);
    problem = `wanted a file of at most ${bytesMax} bytes`;
  } catch (error) {
    problem = codeOf(error);
  }
  throw new Unreadable(`${path}: ${problem}`);
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "not PEM as wanted";
}

async function waitForLook(signal: AbortSignal): Promise<void> {
  await delay(tlsPollMs, undefined, { signal, ref: false });
}
