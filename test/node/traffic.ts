// Steps: Envoy in front of a backend, the seed's case, and how fast changes of the policy take effect.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, ask, chat, codeIn, fault, path, seenIn } from "./ask.ts";
import { readmeKey, secrets, target } from "./install.ts";
import { apply, command, fileOf, kubectl, resource, until } from "./kube.ts";
import { envoyHost, envoyPort, gatewayNamespace, gatewayObjects, namespace } from "./manifests.ts";
import { say, step } from "./step.ts";

export const alias = "AgentX-LLM";
/** A second model of the same team. */
export const otherTarget = "openrouter/qwen/qwen3-max";

const sampleCount = 20;

/** The README's alias, pointed elsewhere. */
export const aliasTo = (to: string): object =>
  resource("ModelAlias", "agentx", { alias, target: to });

/** What is wrong with the answer to a request for the alias, or "". */
export const send = (to = target): Promise<string> =>
  ask(readmeKey, alias).then((answer) => fault(answer, alias, to), String);

step("Envoy and a backend run as pods, with the shipped bootstrap", async () => {
  await apply(gatewayObjects(), gatewayNamespace);
  for (const name of ["envoy", "echo"]) {
    await kubectl(
      "-n",
      gatewayNamespace,
      "rollout",
      "status",
      `deployment/${name}`,
      "--timeout=60s",
    );
  }
  await until(
    "the first request is served",
    async () => (await send()) === "" || undefined,
    20_000,
  );
});

step(
  "the seed's case by curl: the resolved model in header and body, all else as sent",
  async () => {
    const answer = await curl(readmeKey, alias);
    assert.equal(answer.status, 200, answer.body);
    assert.equal(fault(answer, alias, target), "");
    assert.equal(answer.seen?.path, path);
    assert.equal(answer.seen?.method, "POST");
    const sent = JSON.stringify(answer.seen?.headers);
    assert.ok(!sent.includes(readmeKey) && !/"authorization"/.test(sent), sent);
  },
);

step("an alias of a model without a grant is 403, no key and a wrong one are 401", async () => {
  const ungranted = await curl(readmeKey, "smart");
  assert.deepEqual([ungranted.status, codeIn(ungranted)], [403, "model_forbidden"]);
  const keyless = await curl("", alias);
  assert.deepEqual([keyless.status, codeIn(keyless)], [401, "key_missing"]);
  const wrong = await curl(readmeKey.replace("AAAA", "BBBB"), alias);
  assert.deepEqual([wrong.status, codeIn(wrong)], [401, "key_invalid"]);
});

step(
  "a changed alias and a disabled key take effect within a second of kubectl apply",
  async () => {
    const aliases: number[] = [];
    const keys: number[] = [];
    for (let round = 0; round < sampleCount; round += 1) {
      const to = round % 2 === 0 ? otherTarget : target;
      aliases.push(
        await effectMs([aliasTo(to)], (answer) => answer.seen?.headers["x-model"] === to),
      );
    }
    for (let round = 0; round < sampleCount; round += 1) {
      const disabled = round % 2 === 0;
      const status = disabled ? 401 : 200;
      keys.push(await effectMs({ spec: { disabled } }, (answer) => answer.status === status));
    }
    for (const [what, all] of [
      ["alias", aliases],
      ["key", keys],
    ] as const) {
      all.sort((a, b) => a - b);
      say(
        `kubectl to the first changed answer, ${what}: median ${all[sampleCount / 2]} ms, longest ${all.at(-1)} ms`,
      );
      assert.ok((all.at(-1) ?? 0) < 1000);
    }
  },
);

step(
  "a key in a Secret works, and the controller reads the Secret with the chart's rights",
  async () => {
    const key = "ag_secret01_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG".slice(0, 55);
    secrets.add(key);
    const secret = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "bob" },
      stringData: { key },
    };
    const virtualKey = resource("VirtualKey", "bob", {
      team: "research",
      secretRef: { name: "bob", key: "key" },
    });
    assert.equal((await ask(key, alias)).status, 401);
    await apply([secret, virtualKey], namespace);
    await until(
      "the key works",
      async () => (await ask(key, alias)).status === 200 || undefined,
      5000,
    );
    await kubectl("-n", namespace, "delete", "virtualkey/bob");
    await until(
      "the key is gone",
      async () => (await ask(key, alias)).status === 401 || undefined,
      5000,
    );
  },
);

/** One request by curl, in the cluster's network. */
async function curl(key: string, model: string): Promise<Answer> {
  const credentials = key === "" ? [] : ["-H", `authorization: Bearer ${key}`];
  const body = ["--data-binary", `@${fileOf(chat(model), "body")}`];
  const url = `http://${envoyHost}:${envoyPort}${path}`;
  const type = ["-H", "content-type: application/json"];
  const words = [
    "-sS",
    "--max-time",
    "10",
    "-w",
    "\n%{http_code}",
    ...type,
    ...credentials,
    ...body,
  ];
  const printed = await command("curl", ...words, url);
  const end = printed.lastIndexOf("\n");
  const status = Number(printed.slice(end + 1));
  const text = printed.slice(0, end);
  return { status, body: text, seen: status === 200 ? seenIn(text) : undefined };
}

/** Milliseconds from the end of kubectl, when the API server has the change, to the first answer that shows it. */
export async function effectMs(
  change: readonly object[] | object,
  shows: (answer: Answer) => boolean,
): Promise<number> {
  if (Array.isArray(change)) await apply(change, namespace);
  else {
    const patch = ["--type=merge", "-p", JSON.stringify(change)];
    await kubectl("-n", namespace, "patch", "virtualkey/alice", ...patch);
  }
  const begun = performance.now();
  for (;;) {
    if (shows(await ask(readmeKey, alias))) return Math.round(performance.now() - begun);
    if (performance.now() - begun > 40_000) throw new Error("a change shows no effect");
    await sleep(5);
  }
}
