// Tests of the settings: every row by its default, flag, variable and bad values; all issues at once, each with the name
// of what it was written in.

import assert from "node:assert/strict";
import { constants } from "node:buffer";
import { test } from "node:test";
import { fieldPath, fieldRows } from "../../src/core/body/fields.ts";
import { defaultDecisionSettings } from "../../src/core/decision-settings.ts";
import { receiveBytesMax } from "../../src/envoy/server.ts";
import {
  bodyBytesMaxLimit,
  decisionFlags,
  readDecisionSettings,
  readSettings,
  type Settings,
  settingRows,
} from "../../src/settings/settings.ts";
import { samples } from "./samples.ts";

type Env = Readonly<Record<string, string>>;

function settingsOf(args: readonly string[], env: Env = {}): Settings {
  const read = readSettings(["--policy", "p", ...args], env);
  assert.ok(read.ok, JSON.stringify(read));
  return read.settings;
}

function issuesOf(args: readonly string[], env: Env = {}): readonly string[] {
  const read = readSettings(args, env);
  assert.ok(!read.ok, JSON.stringify(args));
  return read.issues;
}

test("readSettings has the defaults of the table", () => {
  const { hashSeed: _, ...decision } = defaultDecisionSettings;
  assert.deepEqual(settingsOf([]), {
    policy: "p",
    policyConfigMap: undefined,
    catalogue: "open",
    listen: ["127.0.0.1:9191"],
    admin: "127.0.0.1:9192",
    logLevel: "info",
    logAllowSample: 1,
    upstreamCredentials: undefined,
    decision,
    responseModel: "ignore",
    inFlightBytesMax: 268_435_456,
    waitingChecksMax: 4096,
    concurrentStreamsMax: 512,
    socketMode: 0o666,
    drainDelayMs: 5000,
    tls: undefined,
  });
});

const isPolicy = (flag: string): boolean => flag === "policy" || flag === "policy-configmap";

for (const { flag, variable } of settingRows) {
  const { text, read, value, bad, beside = [] } = samples[flag];

  test(`readSettings reads --${flag} and ${variable}, and the flag wins`, () => {
    const [wrong = ""] = bad;
    const plain = [...(isPolicy(flag) ? [] : ["--policy", "p"]), ...beside];
    const results = [
      readSettings([...plain, `--${flag}`, text], {}),
      readSettings([...plain, `--${flag}=${text}`], {}),
      readSettings(plain, { [variable]: text }),
      readSettings([...plain, `--${flag}=${text}`], { [variable]: wrong }),
    ];
    const values = results.map((result) => (result.ok ? read(result.settings) : result.issues));
    assert.deepEqual(values, [value, value, value, value]);
  });

  test(`readSettings refuses bad values of --${flag} by the name they were given under`, () => {
    const plain = [...(isPolicy(flag) ? [] : ["--policy", "p"]), ...beside];
    for (const wrong of bad) {
      const [byFlag, ...moreByFlag] = issuesOf([...plain, `--${flag}=${wrong}`]);
      const [byEnv, ...moreByEnv] = issuesOf(plain, { [variable]: wrong });
      assert.deepEqual([...moreByFlag, ...moreByEnv], []);
      const found = flag === "policy" ? "is required" : JSON.stringify(wrong);
      assert.ok(byFlag?.startsWith(`--${flag} `) && byFlag.includes(found), byFlag);
      assert.ok(byEnv?.startsWith(`${variable} `) && byEnv.includes(found), byEnv);
    }
  });
}

test("readSettings refuses halves of TLS that would only seem to check clients", () => {
  const plain = ["--policy", "p"];
  const [cert, key, ca] = ["--tls-cert=c", "--tls-key=k", "--tls-client-ca=a"];
  assert.deepEqual(issuesOf([...plain, cert]), ["--tls-cert needs --tls-key"]);
  assert.deepEqual(issuesOf([...plain, key]), ["--tls-key needs --tls-cert"]);
  assert.deepEqual(issuesOf([...plain, ca]), ["--tls-client-ca needs --tls-cert"]);
  const names = [...plain, cert, key, "--tls-client-names=a"];
  assert.deepEqual(issuesOf(names), ["--tls-client-names needs --tls-client-ca"]);
  assert.deepEqual(settingsOf([cert, key, ca, "--tls-client-names=a"]).tls, {
    ...{ cert: "c", key: "k", clientCa: "a", clientNames: ["a"], minVersion: "1.2" },
  });
});

test("readSettings gives every issue at once", () => {
  const rows = settingRows.filter(
    ({ flag }) =>
      flag !== "policy-configmap" &&
      samples[flag].bad.length > 0 &&
      samples[flag].beside === undefined,
  );
  const args = rows.map(({ flag }) => `--${flag}=${samples[flag].bad[0] ?? ""}`);
  const issues = issuesOf(args);
  assert.deepEqual(
    issues.map((issue) => issue.split(" ", 1)[0]).sort(),
    rows.map(({ flag }) => `--${flag}`).sort(),
  );
  assert.equal(settingsOf(["--policy-configmap=a/b"]).policy, "p");
});

test("readSettings refuses unknown flags and arguments without losing the rest, and repeats no value of theirs", () => {
  const issues = issuesOf(["--polcy", "s3cret", "--listen=x", "stray", "--admin"]);
  assert.deepEqual(issues, [
    "there is no flag --polcy",
    'there is no argument "stray"',
    "--admin needs a value: found nothing",
    "--policy or --policy-configmap is required: where the policy is",
    '--listen must be host:port or unix:/path: current value is "x"',
  ]);
  assert.deepEqual(issuesOf(["--policy", "p", "--__proto__=x"]), ["there is no flag --__proto__"]);
});

test("readSettings takes a flag of a list several times, and any other once", () => {
  const { listen } = settingsOf(["--listen", "h:1", "--listen", "h:2,h:3"]);
  assert.deepEqual(listen, ["h:1", "h:2", "h:3"]);
  const twice = issuesOf(["--policy", "p", "--drain-delay-ms=1", "--drain-delay-ms=2"]);
  assert.deepEqual(twice, ['--drain-delay-ms can be given only once: found also "2"']);
  const swallowed = issuesOf(["--policy", "--listen", "--admin=h:1"]);
  assert.match(swallowed.join("\n"), /--policy needs a value: found --listen/);
});

test("readSettings takes an empty ALIASGUARD_PATH_PREFIXES for the paths without a prefix alone", () => {
  const { decision } = settingsOf([], { ALIASGUARD_PATH_PREFIXES: "" });
  assert.deepEqual(decision.pathPrefixes, [""]);
  assert.deepEqual(settingsOf(["--path-prefixes="]).decision.pathPrefixes, [""]);
});

test("readSettings takes every field of the README's table for --body-fields", () => {
  const rows = fieldRows.filter(({ rule }) => rule === "refused" || rule === "router");
  const names = rows.map(fieldPath);
  const { decision } = settingsOf(["--body-fields", names.join(",")]);
  assert.deepEqual(decision.bodyFields, new Set(names));
});

test("readSettings bounds bodies so that a whole one fits a string and its message a gRPC length", () => {
  const { decision } = settingsOf([`--body-bytes-max=${bodyBytesMaxLimit}`]);
  assert.equal(decision.bodyBytesMax, bodyBytesMaxLimit);
  assert.ok(receiveBytesMax(bodyBytesMaxLimit) <= constants.MAX_STRING_LENGTH);
  assert.ok(receiveBytesMax(bodyBytesMaxLimit) < 2 ** 32);
});

test("readSettings names variables that are not ours, but none of Kubernetes' and of other programs", () => {
  const read = readSettings(["--policy", "p"], {
    ALIASGUARD_POLCY: "x",
    ALIASGUARD_PORT: "tcp://10.0.0.1:9191",
    ALIASGUARD_PORT_9191_TCP: "tcp://10.0.0.1:9191",
    ALIASGUARD_PORT_9191_TCP_ADDR: "10.0.0.1",
    ALIASGUARD_SERVICE_HOST: "10.0.0.1",
    ALIASGUARD_SERVICE_PORT: "9191",
    ALIASGUARD_SERVICE_PORT_GRPC: "9191",
    ALIASGUARD_ADMIN_SERVICE_HOST: "10.0.0.1",
    ALIASGUARD_LISTEN: "127.0.0.1:0",
    PATH: "/bin",
    constructor: "x",
  });
  assert.ok(read.ok);
  assert.deepEqual(read.unknownVariables, ["ALIASGUARD_POLCY"]);
});

test("readDecisionSettings reads the flags of a decision as readSettings does", () => {
  const texts = decisionFlags.map((flag) => [flag, samples[flag].text] as const);
  const read = readDecisionSettings(new Map(texts), {});
  const { decision } = settingsOf(texts.map(([flag, text]) => `--${flag}=${text}`));
  assert.deepEqual(read, { ok: true, settings: { ...decision, hashSeed: 0 } });
  const wrong = readDecisionSettings(new Map(), { ALIASGUARD_BODY_EDITS: "none" });
  assert.deepEqual(wrong, {
    ok: false,
    issues: ['ALIASGUARD_BODY_EDITS must be one of splice, header-only: current value is "none"'],
  });
});
