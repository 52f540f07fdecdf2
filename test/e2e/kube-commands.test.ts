// lint --kube, check --kube and key new --apply as processes on a real API server: by an admin, by users who may do less,
// and where the server is not what they need.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parse, stringify } from "yaml";
import { saveText } from "../kubernetes/loopback-server.ts";
import { Child, type RunResult, run } from "../support/child.ts";
import { getKubeBinaries, type KubeApi, startKubeApi } from "../support/kube-api.ts";
import { requirement } from "../support/requirements.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const binaries = await requirement(() => getKubeBinaries());
const crds = join(import.meta.dirname, "../../helm/aliasguard/files/crds");
const main = join(import.meta.dirname, "../../src/main.ts");
const group = "aliasguard.dev/v1alpha1";
const kinds = {
  modelaliases: "ModelAlias",
  teams: "Team",
  virtualkeys: "VirtualKey",
  models: "Model",
  accessgroups: "AccessGroup",
} as const;
type Plural = keyof typeof kinds;

const digestOf = (key: string): string =>
  `sha256:${createHash("sha256").update(key).digest("hex")}`;
const keyPattern = /^ag_[a-z2-7]{8}_[A-Za-z0-9_-]{43}$/;

describe("the commands on a real API server", { skip: binaries.skip }, () => {
  const folder = createTempFolder("kube-commands");
  let api: KubeApi;

  /** Runs one command; the cluster comes from KUBECONFIG. */
  const aliasguard = (args: readonly string[], kubeconfig = api.kubeconfig): Promise<RunResult> =>
    run(
      {
        ...{ name: "aliasguard", command: process.execPath, args: [main, ...args] },
        env: { KUBECONFIG: kubeconfig },
      },
      60_000,
    );

  async function send(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<Record<string, unknown>> {
    const answer = await api.send(method, path, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  const pathOf = (namespace: string, plural: Plural): string =>
    `/apis/${group}/namespaces/${namespace}/${plural}`;

  const put = (namespace: string, plural: Plural, name: string, spec: unknown) =>
    send("POST", pathOf(namespace, plural), {
      ...{ apiVersion: group, kind: kinds[plural], metadata: { name, namespace }, spec },
    });

  const makeNamespace = (name: string) =>
    send("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });

  const namesOf = async (path: string): Promise<readonly string[]> => {
    const { items } = (await send("GET", path)) as { items?: { metadata: { name: string } }[] };
    return (items ?? []).map(({ metadata }) => metadata.name);
  };

  /** The kubeconfig of a service account that may do this in the namespace and nothing else. */
  async function makeUser(
    namespace: string,
    name: string,
    rules: readonly object[],
  ): Promise<string> {
    const core = `/api/v1/namespaces/${namespace}`;
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    await send("POST", `${core}/serviceaccounts`, { metadata: { name } });
    await send("POST", `${rbac}/roles`, { metadata: { name }, rules });
    await send("POST", `${rbac}/rolebindings`, {
      metadata: { name },
      subjects: [{ kind: "ServiceAccount", name, namespace }],
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
    });
    const { status } = await send("POST", `${core}/serviceaccounts/${name}/token`, {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: {},
    });
    return kubeconfigWith(name, { token: (status as { token: string }).token }, namespace);
  }

  /** The admin's kubeconfig with another user, and a namespace of its context's. */
  function kubeconfigWith(name: string, user: object, namespace: string): string {
    const config = parse(readFileSync(api.kubeconfig, "utf8")) as {
      users: [{ user: unknown }];
      contexts: [{ context: { namespace?: string } }];
    };
    config.users[0].user = user;
    config.contexts[0].context.namespace = namespace;
    return saveText(folder.path, `${name}.kubeconfig`, stringify(config));
  }

  const oneLine = ({ stdout, stderr, code }: RunResult, message: RegExp): void => {
    assert.match(stderr, message);
    assert.deepEqual([code, stdout, stderr.split("\n").length], [1, "", 1]);
  };

  before(async () => {
    api = await startKubeApi(binaries.value ?? "");
  });
  after(async () => {
    await api?.stop();
    folder.remove();
  });

  it("each say in one line that the custom resource definitions are missing", async () => {
    const missing = /the cluster does not know \w+ of aliasguard\.dev\/v1alpha1 \(404\): install/;
    oneLine(await aliasguard(["lint", "--kube"]), missing);
    oneLine(await aliasguard(["check", "--kube", "--model", "m"]), missing);
    for (const more of [[], ["--secret-ref", "ci-key"]]) {
      oneLine(await aliasguard(["key", "new", "ci", "--team", "t", "--apply", ...more]), missing);
    }
    assert.deepEqual(await namesOf("/api/v1/namespaces/default/secrets"), []);
    const kubectl = (...args: string[]) =>
      run(
        { name: "kubectl", command: api.kubectl, args: ["--kubeconfig", api.kubeconfig, ...args] },
        60_000,
      );
    const applied = await kubectl("apply", "--server-side", "-f", crds);
    assert.equal(applied.code, 0, applied.stderr);
    const waited = await kubectl("wait", "--for=condition=Established", "crd", "--all");
    assert.equal(waited.code, 0, waited.stderr);
  });

  it("each say in one line that no server answers, that the credentials are wrong, and which context is not there", async () => {
    const away = saveText(
      folder.path,
      "away",
      readFileSync(api.kubeconfig, "utf8").replace(/127\.0\.0\.1:\d+/, "127.0.0.1:1"),
    );
    const stranger = kubeconfigWith("stranger", { token: "nobody-knows-this" }, "default");
    const commands = [
      ["lint", "--kube"],
      ["check", "--kube", "--model", "m"],
      ["key", "new", "ci", "--team", "t", "--apply"],
    ];
    for (const command of commands) {
      const [down, unknown, context] = await Promise.all([
        aliasguard(command, away),
        aliasguard(command, stranger),
        aliasguard([...command, "--context", "nope"]),
      ]);
      oneLine(
        down,
        /no answer of the API server: .*ECONNREFUSED 127\.0\.0\.1:1; is the cluster up/,
      );
      oneLine(unknown, /does not accept the credentials \(401\)/);
      oneLine(context, /there is no context "nope" in the kubeconfig$/);
      assert.ok(!unknown.stderr.includes("nobody-knows-this"));
    }
  });

  it("mint a key by its digest, lint the policy clean and allow what the key may, as the controller does", async (t) => {
    await makeNamespace("prod");
    await put("prod", "teams", "research", { grants: { models: ["vendor/*"] } });
    await put("prod", "modelaliases", "agentx", { alias: "AgentX-LLM", target: "vendor/model" });
    const args = ["--team", "research", "--apply", "--namespace", "prod"];
    const made = await aliasguard(["key", "new", "alice", ...args]);
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stdout, keyPattern);
    assert.match(made.stderr, /^VirtualKey prod\/alice created\./);
    const { spec } = await send("GET", `${pathOf("prod", "virtualkeys")}/alice`);
    assert.deepEqual(spec, { team: "research", keyHash: digestOf(made.stdout) });

    const bob = await aliasguard(["key", "new", "bob", ...args, "--secret-ref", "bob-key"]);
    assert.deepEqual([bob.code, bob.stdout], [0, ""], bob.stderr);
    const secret = (await send("GET", "/api/v1/namespaces/prod/secrets/bob-key")) as {
      readonly type: string;
      readonly data: Readonly<Record<string, string>>;
    };
    assert.deepEqual([secret.type, Object.keys(secret.data)], ["Opaque", ["key"]]);
    const bobsKey = Buffer.from(secret.data["key"] ?? "", "base64").toString("utf8");
    assert.match(bobsKey, keyPattern);
    assert.ok(!bob.stderr.includes(bobsKey));

    const lint = await aliasguard(["lint", "--kube", "--namespace", "prod"]);
    assert.equal(lint.stdout, "4 resources in namespace prod: 0 invalid, 0 disabled, 0 advice");
    assert.deepEqual([lint.code, lint.stderr], [0, ""]);

    const revisions: string[] = [];
    for (const [name, key] of [
      ["alice", made.stdout],
      ["bob", bobsKey],
    ] as const) {
      const check = ["check", "--kube", "--namespace", "prod", "--key", key, "--model"];
      const allowed = await aliasguard([...check, "AgentX-LLM"]);
      assert.equal(allowed.code, 0, allowed.stderr);
      assert.match(allowed.stdout, new RegExp(`^key        ${name}, team research$`, "m"));
      assert.match(allowed.stdout, /^resolved {3}AgentX-LLM -> vendor\/model$/m);
      revisions.push(/^revision {3}([0-9a-f]+)$/m.exec(allowed.stdout)?.[1] ?? "");
      const refused = await aliasguard([...check, "other/model"]);
      assert.equal(refused.code, 1);
      assert.match(refused.stdout, /not allowed by the team's grants/);
    }

    const controller = new Child({
      name: "aliasguard controller",
      command: process.execPath,
      args: [
        main,
        "controller",
        "--configmap",
        "policy",
        "--namespace",
        "prod",
        "--admin",
        "127.0.0.1:0",
      ],
      env: { KUBECONFIG: api.kubeconfig },
    });
    t.after(() => controller.stop());
    const written = await controller.until(
      () => controller.stdout.find((line) => line.includes('"policy written"')),
      30_000,
    );
    const { revision } = JSON.parse(written) as { readonly revision: string };
    assert.deepEqual(revisions, [revision, revision]);
  });

  it("change nothing when the VirtualKey or the Secret is there already", async () => {
    const args = ["--team", "research", "--apply", "--namespace", "prod"];
    const before = await send("GET", `${pathOf("prod", "virtualkeys")}/alice`);
    const there = /VirtualKey alice already exists in namespace prod: nothing was changed/;
    oneLine(await aliasguard(["key", "new", "alice", ...args]), there);
    oneLine(await aliasguard(["key", "new", "alice", ...args, "--secret-ref", "new-key"]), there);
    const secretThere = /Secret bob-key already exists in namespace prod: nothing was changed/;
    oneLine(
      await aliasguard(["key", "new", "carol", ...args, "--secret-ref", "bob-key"]),
      secretThere,
    );
    const after = await send("GET", `${pathOf("prod", "virtualkeys")}/alice`);
    assert.deepEqual(after["spec"], before["spec"]);
    assert.deepEqual(await namesOf("/api/v1/namespaces/prod/secrets"), ["bob-key"]);
    assert.deepEqual(await namesOf(pathOf("prod", "virtualkeys")), ["alice", "bob"]);
    const nowhere = ["key", "new", "dave", "--team", "t", "--apply", "--namespace", "nowhere"];
    oneLine(await aliasguard(nowhere), /there is no namespace nowhere$/);
  });

  it("send no key that lint would refuse", async () => {
    const bad = await aliasguard(["key", "new", "eve", "--model", "a,b", "--apply"]);
    assert.deepEqual([bad.code, bad.stdout], [2, ""]);
    assert.match(bad.stderr, /--model .*"a,b"/);
    assert.deepEqual(await namesOf(pathOf("default", "virtualkeys")), []);
  });

  it("find every mistake of a namespace with its object and path", async () => {
    await makeNamespace("mistakes");
    await put("mistakes", "modelaliases", "round", { target: "round" });
    await put("mistakes", "virtualkeys", "lost", {
      team: "gone",
      grants: { models: ["m"], groups: ["nobody"] },
      keyHash: digestOf("a-key-of-twenty-characters"),
    });
    await put("mistakes", "virtualkeys", "weak", {
      grants: { models: ["m"] },
      secretRef: { name: "weak", key: "key" },
    });
    await send("POST", "/api/v1/namespaces/mistakes/secrets", {
      metadata: { name: "weak" },
      stringData: { key: "s3cr3t" },
    });
    const lint = await aliasguard(["lint", "--kube", "--namespace", "mistakes"]);
    assert.equal(lint.code, 1);
    assert.deepEqual(
      lint.stdout.split("\n").map((line) => line.split(": ").slice(0, 2).join(": ")),
      [
        "ModelAlias/round spec: disabled",
        "VirtualKey/lost spec.team: disabled",
        "VirtualKey/lost spec.grants.groups[0]: disabled",
        "VirtualKey/weak spec.secretRef: disabled",
        "3 resources in namespace mistakes: 0 invalid, 4 disabled, 0 advice",
      ],
    );
    assert.ok(!lint.stdout.includes("s3cr3t"));
  });

  it("tell who may not read or create what", async () => {
    const rule = (verbs: readonly string[], resources: readonly string[], group: string) => ({
      ...{ apiGroups: [group], resources, verbs },
    });
    const all = Object.keys(kinds);
    const nobody = await makeUser("prod", "nobody", []);
    const reader = await makeUser("prod", "reader", [rule(["list"], all, "aliasguard.dev")]);
    const minter = await makeUser("prod", "minter", [
      rule(["create"], ["virtualkeys"], "aliasguard.dev"),
    ]);

    const may =
      /forbidden \(403\): modelaliases\.aliasguard\.dev is forbidden: .*; ask for a role that may list modelaliases in namespace prod$/;
    oneLine(await aliasguard(["lint", "--kube"], nobody), may);
    oneLine(await aliasguard(["check", "--kube", "--model", "m"], nobody), may);
    const mint = ["key", "new", "frank", "--team", "research", "--apply"];
    oneLine(
      await aliasguard(mint, nobody),
      /forbidden .* may create virtualkeys in namespace prod$/,
    );

    const lint = await aliasguard(["lint", "--kube"], reader);
    assert.equal(lint.code, 1);
    assert.deepEqual(lint.stdout.split("\n"), [
      "VirtualKey/bob spec.secretRef: disabled: Secret bob-key may not be read with these credentials (403): the key counts as off here; ask for a role that may get it",
      "4 resources in namespace prod: 0 invalid, 1 disabled, 0 advice",
    ]);
    const check = await aliasguard(["check", "--kube", "--model", "vendor/model"], reader);
    assert.equal(check.code, 1);
    assert.match(
      check.stderr,
      /^aliasguard check: VirtualKey\/bob spec\.secretRef: .*may not be read/,
    );
    assert.match(check.stdout, /^decision {3}deny: key_missing$/m);

    const secret = await aliasguard([...mint, "--secret-ref", "frank-key"], minter);
    oneLine(secret, /forbidden .* may create secrets in namespace prod$/);
    assert.deepEqual(await namesOf(pathOf("prod", "virtualkeys")), ["alice", "bob"]);
    const minted = await aliasguard(mint, minter);
    assert.equal(minted.code, 0, minted.stderr);
    assert.match(minted.stdout, keyPattern);
    // It may not read teams: no word of one that might be missing.
    assert.doesNotMatch(minted.stderr, /warning/);
  });

  it("read more objects than a page holds", async () => {
    await makeNamespace("many");
    await put("many", "teams", "t", { grants: { models: ["vendor/*"] } });
    const names = Array.from({ length: 640 }, (_, at) => `key-${at}`);
    const queue = names[Symbol.iterator]();
    const work = async (): Promise<void> => {
      for (const name of queue) {
        const spec = { team: "t", keyHash: digestOf(`secret-of-${name}-0123456789`) };
        await put("many", "virtualkeys", name, spec);
      }
    };
    await Promise.all(Array.from({ length: 16 }, work));
    const lint = await aliasguard(["lint", "--kube", "--namespace", "many"]);
    assert.equal(lint.stdout, "641 resources in namespace many: 0 invalid, 0 disabled, 0 advice");
    assert.equal(lint.code, 0);
    // The last of the last page, in the order of the server.
    const args = [
      "--namespace",
      "many",
      "--key",
      "secret-of-key-99-0123456789",
      "--model",
      "vendor/a",
    ];
    const check = await aliasguard(["check", "--kube", ...args]);
    assert.match(check.stdout, /^key {8}key-99, team t$/m);
    assert.equal(check.code, 0);
  });
});
