// Kubeconfig files as kubectl reads them, and mistakes in them that are told without what is written around them.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { after, test } from "node:test";
import { readKubeconfig } from "../../src/kubernetes/kubeconfig.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { kubeconfigText, saveText } from "./loopback-server.ts";

const folder = createTempFolder("kubeconfig");
after(() => folder.remove());
const nowhere = join(folder.path, "nowhere");

type Read = {
  readonly "current-context"?: string;
  readonly clusters: readonly {
    readonly name: string;
    readonly cluster: Record<string, unknown>;
  }[];
  readonly users: readonly { readonly name: string; readonly user: Record<string, unknown> }[];
};

const places = { named: undefined, variable: undefined, home: nowhere } as const;

function read(given: Partial<Parameters<typeof readKubeconfig>[0]>): Read {
  return JSON.parse(readKubeconfig({ ...places, ...given }) ?? "null");
}

const save = (name: string, text: string): string => saveText(folder.path, name, text);
const a = save("a", kubeconfigText({ a: { cluster: { server: "https://a" } } }));
const b = save(
  "b",
  kubeconfigText({
    b: { cluster: { server: "https://b" } },
    a: { cluster: { server: "https://no" } },
  }),
);

test("readKubeconfig joins the files of KUBECONFIG: of each name the first counts, also of the current context", () => {
  const both = read({ variable: [a, nowhere, b].join(delimiter) });
  assert.equal(both["current-context"], "a");
  assert.deepEqual(
    both.clusters.map(({ name, cluster }) => `${name} ${cluster["server"]}`),
    ["a https://a", "b https://b"],
  );
  assert.equal(read({ variable: [b, a].join(delimiter) })["current-context"], "b");
  const none = save("none", kubeconfigText({}));
  assert.equal(read({ variable: [none, b].join(delimiter) })["current-context"], "b");
});

test("readKubeconfig takes the file that is named before all others, and has to find it", () => {
  assert.equal(read({ named: b, variable: a })["current-context"], "b");
  assert.throws(() => read({ named: nowhere, variable: a }), {
    name: "KubeError",
    message: /^no kubeconfig: .* cannot be read: ENOENT$/,
  });
  assert.throws(() => read({ named: folder.path }), /cannot be read: EISDIR/);
  assert.throws(() => read({ named: "" }), /cannot be read: ENOENT/);
});

test("readKubeconfig takes no other cluster when KUBECONFIG names nothing that is there", () => {
  const home = join(folder.path, "home");
  mkdirSync(join(home, ".kube"), { recursive: true });
  saveText(
    join(home, ".kube"),
    "config",
    kubeconfigText({ h: { cluster: { server: "https://h" } } }),
  );
  assert.throws(() => read({ variable: nowhere, home }), /KUBECONFIG names no file that is there/);
  assert.equal(read({ home })["current-context"], "h");
  assert.equal(read({ home, variable: "" })["current-context"], "h");
  for (const nobody of [nowhere, "", undefined]) {
    assert.equal(readKubeconfig({ ...places, home: nobody }), undefined);
  }
});

test("readKubeconfig reads paths from the folder of their file", () => {
  const file = save(
    "paths",
    kubeconfigText({
      c: {
        cluster: { server: "https://c", "certificate-authority": "pki/ca.crt" },
        user: {
          "client-certificate": "/abs/c.crt",
          "client-key": "c.key",
          exec: { command: "./x" },
        },
      },
      d: { cluster: { server: "https://d" }, user: { exec: { command: "kubelogin" } } },
    }),
  );
  const { clusters, users } = read({ named: file });
  assert.equal(clusters[0]?.cluster["certificate-authority"], join(folder.path, "pki/ca.crt"));
  assert.deepEqual(users[0]?.user, {
    "client-certificate": "/abs/c.crt",
    "client-key": join(folder.path, "c.key"),
    exec: { command: join(folder.path, "x") },
  });
  assert.deepEqual(users[1]?.user, { exec: { command: "kubelogin" } });
});

test("readKubeconfig takes tokenFile before token, as kubectl does, and a token alone as it is", () => {
  const file = save(
    "token-file",
    kubeconfigText({
      t: { cluster: { server: "https://t" }, user: { token: "old", tokenFile: "token" } },
      u: { cluster: { server: "https://u" }, user: { token: "only" } },
    }),
  );
  const { users } = read({ named: file });
  const config = { tokenFile: join(folder.path, "token") };
  assert.deepEqual(users[0]?.user, { "auth-provider": { name: "tokenFile", config } });
  assert.deepEqual(users[1]?.user, { token: "only" });
});

const secret = "s3cr3t-t0ken";
const mistakes: readonly (readonly [string, string, RegExp])[] = [
  [
    "no YAML",
    `users:\n  - name: x\n    user: {token: ${secret}\nclusters: [`,
    /is no YAML at line \d+$/,
  ],
  ["a tab", `users:\n\t- token: ${secret}`, /is no YAML at line 2$/],
  ["an alias to nothing", `token: *${secret}`, /is no YAML/],
  ["nothing", "", /holds no kubeconfig$/],
  ["a word", secret, /holds no kubeconfig$/],
  ["a list", `- ${secret}`, /holds no kubeconfig$/],
];
for (const [what, text, message] of mistakes) {
  test(`readKubeconfig refuses ${what} and repeats nothing of it`, () => {
    const file = save("mistake", text);
    assert.throws(
      () => read({ named: file }),
      (error: Error) => message.test(error.message) && !error.message.includes(secret),
    );
  });
}

test("readKubeconfig reads a file whose lists are no lists as one that names nothing", () => {
  const file = save("odd", "clusters: {}\nusers: 1\ncontexts: null\n__proto__: {clusters: [1]}\n");
  const { clusters, users } = read({ named: file });
  assert.deepEqual([clusters, users], [[], []]);
});
