// What the chart's service accounts and roles may do, and what they may not, asked of a real API server.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type RunResult, run } from "../support/child.ts";
import { getHelm } from "../support/get-helm.ts";
import { getKubeBinaries, type KubeApi, startKubeApi } from "../support/kube-api.ts";
import { requirement } from "../support/requirements.ts";
import { chartFolder, createHelm, type Helm } from "./run-helm.ts";

const helmPath = await requirement(() => getHelm());
const binaries = await requirement(() => getKubeBinaries());
const skip = helmPath.skip || binaries.skip;

const kinds = ["modelaliases", "teams", "virtualkeys", "accessgroups", "models"];
const reads = ["get", "list", "watch"];
const writes = ["create", "update", "patch", "delete", "deletecollection"];

/** Verbs on RESOURCE[.GROUP][/SUBRESOURCE][=NAME]. */
type Rule = readonly [verbs: readonly string[], resource: string];

const ours = (verbs: readonly string[], subresource = ""): Rule[] =>
  kinds.map((kind): Rule => [verbs, `${kind}.aliasguard.dev${subresource}`]);

const secretReads: Rule = [["get"], "secrets=any"];

const may: Readonly<Record<string, readonly Rule[]>> = {
  controller: [
    ...ours(reads),
    ...ours(["patch"], "/status"),
    [reads, "configmaps"],
    [["create", "patch", "delete"], "configmaps=r-aliasguard-policy"],
    [["create", "patch", "delete"], "configmaps=r-aliasguard-policy-confirmed"],
    [["create", "patch", "delete"], "configmaps=r-aliasguard-policy-1"],
    [["create", "patch", "delete"], "configmaps=r-aliasguard-policy-64"],
    secretReads,
    [["get", "update", "patch"], "leases.coordination.k8s.io=r-aliasguard-controller"],
    [["create"], "leases.coordination.k8s.io"],
    [["create", "patch"], "events"],
    [["create", "patch"], "events.events.k8s.io"],
  ],
  authorizer: [[reads, "configmaps"]],
  viewer: [...ours(reads)],
  editor: [...ours(writes)],
};

const mayNot: Readonly<Record<string, readonly Rule[]>> = {
  controller: [
    ...ours(writes),
    ...ours(["get", "update", "create"], "/status"),
    [writes, "configmaps"],
    [["create", "patch", "delete", "update"], "configmaps=other"],
    [["update", "deletecollection"], "configmaps=r-aliasguard-policy"],
    [["create", "patch", "delete"], "configmaps=r-aliasguard-policy-65"],
    [["list", "watch", ...writes], "secrets"],
    [["get", "update", "patch", "delete"], "leases.coordination.k8s.io=other"],
    [["list", "watch", "delete"], "leases.coordination.k8s.io"],
    [reads, "events"],
    [[...reads, ...writes], "pods"],
    [["create"], "pods/exec"],
    [["create"], "serviceaccounts/token"],
    [["escalate", "bind", ...writes], "roles.rbac.authorization.k8s.io"],
    [[...reads, ...writes], "customresourcedefinitions.apiextensions.k8s.io"],
  ],
  authorizer: [
    ...ours([...reads, ...writes]),
    [writes, "configmaps"],
    [["patch"], "configmaps=r-aliasguard-policy"],
    [[...reads, ...writes], "secrets"],
    [[...reads, ...writes], "leases.coordination.k8s.io"],
    [writes, "events"],
  ],
  viewer: [...ours(writes), [reads, "secrets"]],
  editor: [...ours(["update", "patch"], "/status"), [reads, "secrets"]],
};

describe("the chart's roles", { skip }, () => {
  let api: KubeApi;
  let helm: Helm;
  after(async () => {
    helm?.remove();
    await api?.stop();
  });
  before(async () => {
    api = await startKubeApi(binaries.value ?? "");
    helm = createHelm(helmPath.value ?? "", api.kubeconfig);
    const args = ["install", "r", chartFolder, "--namespace", "apps", "--create-namespace"];
    const installed = await helm.run(args);
    assert.equal(installed.code, 0, installed.stderr);
    // The server alone has no controller that gathers aggregated roles: bind ours by themselves.
    for (const [user, role] of [
      ["viewer", "view"],
      ["editor", "edit"],
    ]) {
      const path = "/apis/rbac.authorization.k8s.io/v1/namespaces/apps/rolebindings";
      const apiGroup = "rbac.authorization.k8s.io";
      const bound = await api.send("POST", path, {
        metadata: { name: user },
        roleRef: { apiGroup, kind: "ClusterRole", name: `aliasguard:apps:r-aliasguard:${role}` },
        subjects: [{ apiGroup, kind: "User", name: user }],
      });
      assert.equal(bound.status, 201);
    }
  });

  const userOf = (who: string): string =>
    who === "viewer" || who === "editor" ? who : `system:serviceaccount:apps:r-aliasguard-${who}`;

  async function isAllowed(who: string, verb: string, resource: string, namespace: string) {
    const [, plural, group = "", subresource = "", name = ""] =
      /^([a-z]+)(?:\.([a-z0-9.]+))?(?:\/([a-z]+))?(?:=(.+))?$/.exec(resource) ?? [];
    const resourceAttributes = { namespace, verb, group, resource: plural, subresource, name };
    const { status, body } = await api.send(
      "POST",
      "/apis/authorization.k8s.io/v1/subjectaccessreviews",
      { spec: { user: userOf(who), groups: ["system:authenticated"], resourceAttributes } },
    );
    assert.equal(status, 201);
    return (body["status"] as { readonly allowed: boolean }).allowed;
  }

  async function answers(rules: readonly Rule[], who: string, namespace: string) {
    const found: { readonly can: string; readonly allowed: boolean }[] = [];
    for (const [verbs, resource] of rules) {
      for (const verb of verbs) {
        const allowed = await isAllowed(who, verb, resource, namespace);
        found.push({ can: `${verb} ${resource}`, allowed });
      }
    }
    return found;
  }

  for (const who of Object.keys(may)) {
    it(`let the ${who} do what it is for`, async () => {
      const found = await answers(may[who] ?? [], who, "apps");
      assert.deepEqual(
        found.filter(({ allowed }) => !allowed),
        [],
      );
      assert.ok(found.length > 0);
    });

    it(`let the ${who} do nothing else, and nothing in another namespace`, async () => {
      const found = [
        ...(await answers(mayNot[who] ?? [], who, "apps")),
        ...(await answers(may[who] ?? [], who, "default")),
      ];
      assert.deepEqual(
        found.filter(({ allowed }) => allowed),
        [],
      );
      assert.ok(found.length > 0);
    });
  }

  it("grant the service accounts exactly what is listed here", async () => {
    const values = { controller: { policyShardsMax: 1 } };
    const objects = await helm.template(values, { release: "r", namespace: "apps" });
    for (const who of ["controller", "authorizer"]) {
      const role = objects.find(
        ({ kind, metadata }) => kind === "Role" && metadata.name.endsWith(who),
      );
      const listed = (may[who] ?? [])
        .filter(([, resource]) => !resource.endsWith("-64"))
        .flatMap(([verbs, resource]) => verbs.map((verb) => `${verb} ${resource}`))
        .map((each) => each.replace("secrets=any", "secrets"));
      assert.deepEqual(granted((role?.rules ?? []) as readonly PolicyRule[]), listed.sort());
    }
  });

  const as = (who: string, ...args: string[]): Promise<RunResult> => {
    const identity = ["--kubeconfig", api.kubeconfig, "--namespace", "apps", "--as", userOf(who)];
    const command = { name: "kubectl", command: api.kubectl, args: [...identity, ...args] };
    return run(command, 60_000);
  };

  it("answer kubectl auth can-i of an impersonated account alike", async () => {
    const yes = await as(
      "controller",
      "auth",
      "can-i",
      "patch",
      "modelaliases/agentx",
      "--subresource=status",
    );
    assert.equal(yes.stdout, "yes");
    const no = await as("authorizer", "auth", "can-i", "list", "secrets");
    assert.equal(no.stdout, "no");
  });

  it("let the controller make the policy's ConfigMaps by server-side apply, and no others", async () => {
    const applyNamed = (name: string): Promise<number> =>
      sendAs("PATCH", `configmaps/${name}?fieldManager=c&force=true`, {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name },
        data: { "index.json": "{}" },
      });
    assert.equal(await applyNamed("r-aliasguard-policy"), 201);
    assert.equal(await applyNamed("r-aliasguard-policy-1"), 201);
    assert.equal(await applyNamed("r-aliasguard-policy-1"), 200);
    assert.equal(await applyNamed("other"), 403);
    const posted = { metadata: { name: "r-aliasguard-policy-2" } };
    assert.equal(await sendAs("POST", "configmaps", posted), 403);
    assert.equal(await sendAs("DELETE", "configmaps/r-aliasguard-policy-1"), 200);
    assert.equal(await sendAs("DELETE", "configmaps/kube-root-ca.crt"), 403);
  });

  /** The status that the controller would get. */
  async function sendAs(method: string, path: string, body?: unknown): Promise<number> {
    const type = method === "PATCH" ? "application/apply-patch+yaml" : "application/json";
    const headers = { "impersonate-user": userOf("controller") };
    const at = `/api/v1/namespaces/apps/${path}`;
    return (await api.send(method, at, body, type, headers)).status;
  }

  it("take the Secrets away with secrets.read=false", async () => {
    assert.equal(await isAllowed("controller", "get", "secrets=any", "apps"), true);
    const args = [
      "upgrade",
      "r",
      chartFolder,
      "--namespace",
      "apps",
      "--set",
      "secrets.read=false",
    ];
    const upgraded = await helm.run(args);
    assert.equal(upgraded.code, 0, upgraded.stderr);
    assert.equal(await isAllowed("controller", "get", "secrets=any", "apps"), false);
  });

  it("gather into Kubernetes' own roles", async () => {
    const labelsOf = async (role: string): Promise<unknown> => {
      const path = `/apis/rbac.authorization.k8s.io/v1/clusterroles/aliasguard:apps:r-aliasguard:${role}`;
      const { labels } = (await api.send("GET", path)).body["metadata"] as {
        readonly labels: Readonly<Record<string, string>>;
      };
      return Object.keys(labels).filter((label) => label.includes("aggregate-to"));
    };
    const group = "rbac.authorization.k8s.io/aggregate-to";
    assert.deepEqual(await labelsOf("edit"), [`${group}-admin`, `${group}-edit`]);
    assert.deepEqual(await labelsOf("view"), [
      ...[`${group}-admin`, `${group}-edit`, `${group}-view`],
    ]);
  });
});

type PolicyRule = {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
};

/** The rules of a role one by one: VERB RESOURCE[.GROUP][/SUBRESOURCE][=NAME]. */
function granted(rules: readonly PolicyRule[]): readonly string[] {
  const all = rules.flatMap(({ apiGroups, resources, resourceNames = [""], verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        resourceNames.flatMap((name) =>
          verbs.map((verb) => {
            const [plural, subresource] = resource.split("/");
            const at = `${plural}${group && `.${group}`}${subresource ? `/${subresource}` : ""}`;
            return `${verb} ${at}${name && `=${name}`}`;
          }),
        ),
      ),
    ),
  );
  return all.sort();
}
