// What a user sees of a mistake, and where: at kubectl apply, or in the condition Ready, the printed columns and an Event.
// A real API server, kubectl, and the controller.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { stringify } from "yaml";
import type { Child } from "../support/child.ts";
import { run } from "../support/child.ts";
import { getKubeBinaries, type KubeApi, startKubeApi } from "../support/kube-api.ts";
import { requirement } from "../support/requirements.ts";
import {
  applyCrds,
  eventually,
  kinds,
  logged,
  objectOf,
  type Plural,
  put,
  readObject,
  startController,
} from "../support/start-controller.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const binaries = await requirement(() => getKubeBinaries());
let hashes = 0;
const hash = (): string => `sha256:${String(++hashes).padStart(64, "0")}`;
const grants = { models: ["m"] };
const past = "2020-01-01T00:00:00Z";
const later = "2999-01-01T00:00:00Z";
const ref = (name: string, key = "key") => ({ secretRef: { name, key } });

/** What is wrong, the manifest, and what `kubectl apply` says of it. */
const atApply: readonly (readonly [string, Plural, unknown, RegExp])[] = [
  ["a field misspelt", "modelaliases", { tagret: "m" }, /spec\.tagret/],
  ["a grant misspelt", "teams", { grant: grants }, /spec\.grant/],
  ["no target", "modelaliases", {}, /must have either target or targets/],
  ["both targets", "modelaliases", { target: "m", targets: [{ model: "m" }] }, /must have either/],
  ["weights all 0", "modelaliases", { targets: [{ model: "m", weight: 0 }] }, /a weight above 0/],
  [
    "a star within an alias",
    "modelaliases",
    { alias: "g*-4", target: "m" },
    /must be a model name, which may end in one \*/,
  ],
  [
    "a dash of another alphabet",
    "modelaliases",
    { target: "gpt–4" },
    /must be a model name: 1 to 256/,
  ],
  ["a name that is too long", "modelaliases", { target: "x".repeat(257) }, /256/],
  ["a number for a name", "modelaliases", { alias: 4.1, target: "m" }, /spec\.alias.*string/],
  [
    "a team in capitals",
    "virtualkeys",
    { team: "Research", keyHash: hash() },
    /must be the name of an object/,
  ],
  ["the key for its hash", "virtualkeys", { keyHash: "sk-1234567890" }, /never the key itself/],
  [
    "a hash in capitals",
    "virtualkeys",
    { keyHash: hash().toUpperCase() },
    /64 lower-case hex digits/,
  ],
  [
    "both credentials",
    "virtualkeys",
    { keyHash: hash(), ...ref("s") },
    /either keyHash or secretRef/,
  ],
  ["no credential", "virtualkeys", { team: "t" }, /either keyHash or secretRef/],
  [
    "an end before its beginning",
    "virtualkeys",
    { keyHash: hash(), notBefore: later, expiresAt: past },
    /expiresAt must be after notBefore/,
  ],
  [
    "a date without a zone",
    "virtualkeys",
    { keyHash: hash(), expiresAt: "2026-01-01" },
    /expiresAt/,
  ],
  [
    "a pattern with a question mark",
    "teams",
    { grants: { models: ["gpt-?"] } },
    /in which \* may stand for any characters/,
  ],
  [
    "an alias of a Team that begins with a star",
    "teams",
    { aliases: { "*a": "m" } },
    /each alias must be a model name, which may end/,
  ],
  ["a line break in an owner", "models", { ownedBy: "a\nb" }, /must be one line/],
];

/** What is wrong, the manifest, and what Ready says of it: status/reason, and words of its message. */
const inStatus: readonly (readonly [string, Plural, unknown, string, RegExp])[] = [
  [
    "an alias to itself",
    "modelaliases",
    { alias: "round", target: "round" },
    "False/Cycle",
    /round/,
  ],
  [
    "an alias for a Team that is not there",
    "modelaliases",
    { target: "m", teams: ["gone"] },
    "False/TeamNotFound",
    /gone/,
  ],
  [
    "a key of a Team that is not there",
    "virtualkeys",
    { team: "gone", keyHash: hash() },
    "False/TeamNotFound",
    /gone/,
  ],
  [
    "a key in a Secret that is not there",
    "virtualkeys",
    { team: "t", ...ref("gone") },
    "False/SecretNotFound",
    /no entry key in a Secret gone/,
  ],
  [
    "a key in an entry that is not there",
    "virtualkeys",
    { team: "t", ...ref("weak", "none") },
    "False/SecretNotFound",
    /no entry none/,
  ],
  [
    "a weak key",
    "virtualkeys",
    { team: "t", ...ref("weak") },
    "False/SecretInvalid",
    /20 to 512 printable characters/,
  ],
  [
    "a previous key in a Secret that is not there",
    "virtualkeys",
    { team: "t", keyHash: hash(), previous: { ...ref("gone"), until: later } },
    "False/SecretNotFound",
    /gone/,
  ],
  [
    "a key that is over",
    "virtualkeys",
    { team: "t", keyHash: hash(), expiresAt: past },
    "False/Expired",
    /2020-01-01/,
  ],
  [
    "a key that is not yet",
    "virtualkeys",
    { team: "t", keyHash: hash(), notBefore: later },
    "True/NotYetValid",
    /2999-01-01/,
  ],
  [
    "a key that is off",
    "virtualkeys",
    { team: "t", keyHash: hash(), disabled: true },
    "True/Disabled",
    /spec\.disabled/,
  ],
  [
    "a key of a Team that is off",
    "virtualkeys",
    { team: "closed", keyHash: hash() },
    "True/TeamDisabled",
    /closed/,
  ],
  [
    "a key whose previous one is over",
    "virtualkeys",
    { team: "t", keyHash: hash(), previous: { keyHash: hash(), until: past } },
    "True/PreviousExpired",
    /can be removed/,
  ],
  [
    "a key without Team and grants",
    "virtualkeys",
    { keyHash: hash() },
    "True/GrantsNothing",
    /Nothing can be used/,
  ],
  ["a Team without grants", "teams", {}, "True/GrantsNothing", /No key of this Team/],
  ["a Team that is off", "teams", { grants, disabled: true }, "True/Disabled", /spec\.disabled/],
  [
    "a Team that grants an alias as a model",
    "teams",
    { grants: { models: ["sound"] } },
    "True/Advice",
    /granting it as a model buys nothing/,
  ],
  [
    "a Team with a group that is not there",
    "teams",
    { grants: { models: ["m"], groups: ["gone"] } },
    "False/GroupNotFound",
    /gone/,
  ],
  [
    "a second alias of a name",
    "modelaliases",
    { alias: "sound", target: "other" },
    "False/Conflicted",
    /sound/,
  ],
  ["a group without models", "accessgroups", { models: [] }, "True/GrantsNothing", /no model/],
];

describe("what a user sees of a mistake", { skip: binaries.skip }, () => {
  let api: KubeApi;
  let controller: Child;
  const folder = createTempFolder("status");
  const kubectl = (...args: string[]) =>
    run(
      { name: "kubectl", command: api.kubectl, args: ["--kubeconfig", api.kubeconfig, ...args] },
      60_000,
    );
  const apply = (plural: Plural, name: string, spec: unknown) => {
    const file = join(folder.path, `${name}.yaml`);
    writeFileSync(file, stringify(objectOf(plural, name, spec)));
    return kubectl("apply", "-f", file);
  };
  const waitReady = (plural: Plural, name: string) =>
    kubectl("wait", "--for=condition=Ready", "--timeout=5s", `${plural}/${name}`);

  before(async () => {
    api = await startKubeApi(binaries.value ?? "");
    await applyCrds(api);
    controller = startController(api.kubeconfig);
    await logged(controller, "leading");
    const weak = { apiVersion: "v1", kind: "Secret", metadata: { name: "weak" } };
    const secrets = "/api/v1/namespaces/default/secrets";
    await api.send("POST", secrets, { ...weak, stringData: { key: "short" } });
    await put(api, "teams", "t", { grants });
    await put(api, "teams", "closed", { grants, disabled: true });
    await put(api, "modelaliases", "sound", { target: "m" });
    // Conflicts go by age, in whole seconds.
    await new Promise((resolve) => setTimeout(resolve, 1100));
  });
  after(async () => {
    await controller?.stop();
    await api?.stop();
    folder.remove();
  });

  it(`is told at kubectl apply, in words: ${atApply.length} mistakes`, async () => {
    const wrong: string[] = [];
    for (const [at, [what, plural, spec, words]] of atApply.entries()) {
      const { code, stderr } = await apply(plural, `apply-${at}`, spec);
      // A regular expression of ours says nothing to who reads it.
      const isTold = code !== 0 && words.test(stderr) && !/A-Za-z0-9@_\]\[/.test(stderr);
      if (!isTold) wrong.push(`${what}: ${code} ${stderr}`);
    }
    assert.deepEqual(wrong, []);
  });

  it(`is told in Ready and in the columns: ${inStatus.length} mistakes`, async () => {
    const wrong: string[] = [];
    for (const [at, [what, plural, spec, wanted, words]] of inStatus.entries()) {
      const name = `status-${at}`;
      const { code, stderr } = await apply(plural, name, spec);
      assert.equal(code, 0, `${what}: ${stderr}`);
      let last = "";
      await eventually(what, async () => {
        const { status, metadata } = await readObject(api, plural, name);
        const ready = status?.conditions?.find(({ type }) => type === "Ready");
        last = `${ready?.status}/${ready?.reason}: ${ready?.message}`;
        const isNew = status?.["observedGeneration"] === metadata.generation;
        return isNew && last.startsWith(wanted) && words.test(ready?.message ?? "")
          ? true
          : undefined;
      }).catch(() => wrong.push(`${what}: ${last}`));
      const { stdout } = await kubectl("get", plural, name);
      const [, line = ""] = stdout.split("\n");
      const [status = "", reason = ""] = wanted.split("/");
      if (!new RegExp(` ${status} +${reason} .*${words.source}`).test(line)) {
        wrong.push(`${what}: ${stdout}`);
      }
    }
    assert.deepEqual(wrong, []);
    const events = await kubectl("get", "events", "-o", "json");
    for (const [, , , wanted] of inStatus) {
      const [status, reason = ""] = wanted.split("/");
      if (status === "False") assert.match(events.stdout, new RegExp(`"reason": "${reason}"`));
    }
  });

  it("shows every printed column of every kind", async () => {
    await put(api, "models", "plain", {});
    await put(api, "models", "m", { upstreamName: "llama3:8b", backend: "leaf" });
    await put(api, "modelaliases", "split", {
      targets: [{ model: "m", weight: 7 }, { model: "plain" }],
    });
    await put(api, "teams", "counted", { grants });
    for (const [name, more] of [
      ["one", {}],
      ["two", {}],
      ["three", { disabled: true }],
      ["four", { expiresAt: past }],
    ] as const) {
      await put(api, "virtualkeys", `counted-${name}`, {
        team: "counted",
        keyHash: hash(),
        ...more,
      });
    }
    const shown: Readonly<Record<Plural, readonly [string, RegExp]>> = {
      models: [
        "plain",
        /^NAME +MODEL +UPSTREAM +BACKEND +READY +REASON +MESSAGE +AGE\nplain +plain +plain +router +True +Ready +In force\. /,
      ],
      modelaliases: [
        "split",
        /^NAME +ALIAS +TARGET +RESOLVES-TO +USABLE-BY +READY +REASON +MESSAGE +AGE\nsplit +split +m \(7\), plain \(1\) +\["m","plain"\] +\d+ +True +Ready +In force\. /,
      ],
      teams: [
        "counted",
        /^NAME +KEYS +DISABLED +READY +REASON +MESSAGE +AGE\ncounted +2 +True +Ready /,
      ],
      virtualkeys: [
        "counted-four",
        /^NAME +TEAM +ID +DISABLED +EXPIRES +DIGEST +READY +REASON +MESSAGE +AGE\ncounted-four +counted +2020-01-01T00:00:00Z +000000000000 +False +Expired +Its time ended/,
      ],
      accessgroups: [
        "group",
        /^NAME +READY +REASON +MESSAGE +AGE\ngroup +True +Ready +In force\. /,
      ],
    };
    await put(api, "accessgroups", "group", { models: ["m"] });
    for (const plural of Object.keys(kinds) as Plural[]) {
      const [name, wanted] = shown[plural];
      let last = "";
      await eventually(`columns of ${plural}`, async () => {
        last = (await kubectl("get", plural, name, "-o", "wide")).stdout;
        return wanted.test(last) ? true : undefined;
      }).catch(() => assert.match(last, wanted));
    }
  });

  it("makes kubectl wait succeed on a sound object and fail on a broken one, within seconds", async () => {
    await put(api, "modelaliases", "whole", { target: "m" });
    await put(api, "modelaliases", "broken", { target: "broken" });
    const sound = await waitReady("modelaliases", "whole");
    assert.equal(sound.code, 0, sound.stderr);
    assert.notEqual((await waitReady("modelaliases", "broken")).code, 0);
    await put(api, "modelaliases", "broken", { target: "m" });
    const mended = await waitReady("modelaliases", "broken");
    assert.equal(mended.code, 0, mended.stderr);
  });

  it("says unchanged when kubectl applies the same once more (cluster.md F7)", async () => {
    const specs: readonly (readonly [Plural, unknown])[] = [
      ["modelaliases", { targets: [{ model: "m" }, { model: "plain" }], stickyBy: "key" }],
      ["teams", { grants, aliases: { a: "m" }, disabled: false }],
      ["virtualkeys", { team: "t", keyHash: hash(), expiresAt: later }],
      ["accessgroups", { models: ["m"] }],
      ["models", { name: "other", upstreamCredential: { name: "k" } }],
    ];
    for (const [plural, spec] of specs) {
      assert.match((await apply(plural, "twice", spec)).stdout, /created/);
      await waitReady(plural, "twice");
      assert.match((await apply(plural, "twice", spec)).stdout, /unchanged/, plural);
    }
  });
});
