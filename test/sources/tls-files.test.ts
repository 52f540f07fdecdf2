// A certificate and its key from files: what comes into force, and what never does.

import assert from "node:assert/strict";
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createTlsFiles, type LoadedTls } from "../../src/sources/tls-files.ts";
import { type CertificateFiles, makeCertificate } from "../support/certificates.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const hourMs = 3_600_000;

/** Files that are looked at when the test says so. */
function watched(t: TestContext, { withCa = true } = {}) {
  const folder = createTempFolder("tls");
  t.after(() => folder.remove());
  const ca = makeCertificate(folder.path, { name: "ca" });
  const made = (name: string, more: object = {}): CertificateFiles =>
    makeCertificate(folder.path, { name, by: ca, ...more });
  const paths = { cert: join(folder.path, "tls.crt"), key: join(folder.path, "tls.key") };
  const put = ({ cert, key }: Partial<CertificateFiles>): void => {
    if (cert !== undefined) copyFileSync(cert, paths.cert);
    if (key !== undefined) copyFileSync(key, paths.key);
  };
  let looked = Promise.withResolvers<void>();
  let next = Promise.withResolvers<void>();
  const results: string[] = [];
  const problems: string[] = [];
  const loaded: LoadedTls[] = [];
  let nowMs = Date.now();
  const files = createTlsFiles({
    paths: { ...paths, clientCa: withCa ? ca.cert : undefined },
    nowMs: () => nowMs,
    reportResult: (result) => results.push(result),
    reportProblem: (problem) => problems.push(problem.replaceAll(folder.path, "")),
    reportChange: (each) => loaded.push(each),
    wait(signal) {
      looked.resolve();
      looked = Promise.withResolvers<void>();
      const { promise, reject } = next;
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      // After the last look nobody waits any more.
      promise.catch(() => {});
      return promise;
    },
  });
  t.after(() => files.stop());
  const look = async (): Promise<void> => {
    const ended = looked.promise;
    const { resolve } = next;
    next = Promise.withResolvers<void>();
    resolve();
    await ended;
  };
  const inForce = (): Buffer | undefined => loaded.at(-1)?.cert;
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return {
    folder: folder.path,
    ca,
    paths,
    files,
    made,
    put,
    look,
    results,
    problems,
    inForce,
    pass,
  };
}

test("createTlsFiles puts a pair in force, and another when both files have changed", async (t) => {
  const { files, made, put, look, results, problems, inForce } = watched(t);
  const [first, second] = [made("first"), made("second", { lifeMs: 9 * hourMs })];
  put(first);
  await files.start();
  assert.deepEqual(inForce(), readFileSync(first.cert));
  await look();
  put(second);
  await look();
  assert.deepEqual(inForce(), readFileSync(second.cert));
  assert.ok(Math.abs((files.expiresAtMs() ?? 0) - Date.now() - 9 * hourMs) < 60_000);
  assert.deepEqual([results, problems], [["replaced", "replaced"], []]);
});

test("createTlsFiles never puts a torn pair in force, whichever half comes first", async (t) => {
  const { files, made, put, look, results, problems, inForce } = watched(t);
  const [first, second] = [made("first"), made("second")];
  put(first);
  await files.start();
  for (const half of [{ cert: second.cert }, { key: second.key }]) {
    put(half);
    await look();
    await look();
    assert.deepEqual(inForce(), readFileSync(first.cert));
    put(first);
    await look();
  }
  put(second);
  await look();
  assert.deepEqual(inForce(), readFileSync(second.cert));
  const torn = ["rejected", "recovered"];
  assert.deepEqual(results, ["replaced", ...torn, ...torn, "replaced"]);
  assert.deepEqual(
    new Set(problems),
    new Set(["the certificate and the key do not belong together"]),
  );
});

test("createTlsFiles follows a mounted Secret's swap of folders", async (t) => {
  const { folder, files, made, look, inForce, paths } = watched(t);
  const swap = (to: string, pair: CertificateFiles): void => {
    mkdirSync(join(folder, to));
    copyFileSync(pair.cert, join(folder, to, "tls.crt"));
    copyFileSync(pair.key, join(folder, to, "tls.key"));
    symlinkSync(to, join(folder, "..data_tmp"));
    renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
  };
  const [first, second] = [made("first"), made("second")];
  symlinkSync("..data/tls.crt", paths.cert);
  symlinkSync("..data/tls.key", paths.key);
  swap("..1", first);
  await files.start();
  swap("..2", second);
  await look();
  assert.deepEqual(inForce(), readFileSync(second.cert));
});

const bad: readonly (readonly [string, (at: ReturnType<typeof watched>) => void, RegExp])[] = [
  ["no certificate file", ({ paths }) => rmSync(paths.cert), /^\/tls\.crt: ENOENT$/],
  ["no key file", ({ paths }) => rmSync(paths.key), /^\/tls\.key: ENOENT$/],
  [
    "a certificate that is none",
    ({ paths }) => writeFileSync(paths.cert, "x"),
    /the certificate cannot be read/,
  ],
  [
    "a key that is none",
    ({ paths }) => writeFileSync(paths.key, "s3cret"),
    /the key cannot be read/,
  ],
  [
    "a key cut in half",
    ({ paths }) => writeFileSync(paths.key, readFileSync(paths.key).subarray(0, 90)),
    /the key cannot be read/,
  ],
  [
    "a certificate cut in half",
    ({ paths }) => writeFileSync(paths.cert, readFileSync(paths.cert).subarray(0, 200)),
    /the certificate cannot be read/,
  ],
  [
    "empty files",
    ({ paths }) => [paths.cert, paths.key].map((each) => writeFileSync(each, "")),
    /cannot be read/,
  ],
  [
    "a file that is too long",
    ({ paths }) => writeFileSync(paths.cert, Buffer.alloc(1024 * 1024 + 1)),
    /at most 1048576 bytes/,
  ],
  [
    "authorities that are none",
    ({ ca }) => writeFileSync(ca.cert, "no"),
    /the client authorities cannot be read/,
  ],
  [
    "a bundle of which one is damaged",
    ({ ca }) => {
      const good = readFileSync(ca.cert, "utf8");
      writeFileSync(ca.cert, `${good}${good.replace("MII", "AAA").replace("MIIB", "AAAA")}`);
    },
    /the client authorities cannot be read/,
  ],
  [
    "a certificate that has ended",
    ({ put, made }) => put(made("old", { lifeMs: -hourMs })),
    /the certificate expired at /,
  ],
  [
    "a certificate of tomorrow",
    ({ put, made }) => put(made("new", { fromMs: hourMs })),
    /not valid before/,
  ],
];

for (const [name, spoil, problem] of bad) {
  test(`createTlsFiles keeps the good pair over ${name}`, async (t) => {
    const at = watched(t);
    const first = at.made("first");
    at.put(first);
    const ca = readFileSync(at.ca.cert);
    await at.files.start();
    spoil(at);
    await at.look();
    assert.deepEqual(at.inForce(), readFileSync(first.cert));
    assert.match(at.problems.join("\n"), problem);
    assert.doesNotMatch(at.problems.join("\n"), /s3cret/);
    writeFileSync(at.ca.cert, ca);
    at.put(first);
    await at.look();
    assert.deepEqual(at.results, ["replaced", "rejected", "recovered"]);
    at.put(at.made("second"));
    await at.look();
    assert.equal(at.results.at(-1), "replaced");
  });
}

test("createTlsFiles rejects its start without a usable pair, after some looks", async (t) => {
  const { files, made, put, look, results } = watched(t, { withCa: false });
  put({ cert: made("first").cert, key: made("second").key });
  const started = assert.rejects(
    files.start(),
    /no TLS certificate can be used: .*belong together/,
  );
  for (let looks = 0; looks < 4; looks += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    await Promise.race([look(), started]);
  }
  await started;
  assert.deepEqual(results, ["rejected"]);
});

test("createTlsFiles starts with a certificate that has ended, and says when one in force ends", async (t) => {
  const { files, made, put, look, problems, results, pass, inForce } = watched(t);
  put(made("old", { lifeMs: -hourMs }));
  await files.start();
  assert.match(problems.join(), /^the certificate expired at /);
  const fresh = made("fresh", { lifeMs: hourMs });
  put(fresh);
  await look();
  assert.equal(problems.length, 1);
  pass(2 * hourMs);
  await look();
  await look();
  assert.equal(problems.length, 2);
  assert.deepEqual(results, ["replaced", "replaced"]);
  assert.deepEqual(inForce(), readFileSync(fresh.cert));
});
