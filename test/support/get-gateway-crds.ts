// The definitions of the resources that gateways bring: of the Gateway API, Envoy Gateway and Istio. They come from Go modules,
// at versions whose checksums stand here, so that a test today and one next year see the same schemas.

import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { cached } from "./cache-folder.ts";
import { run } from "./child.ts";
import { MissingComponent } from "./requirements.ts";

type Source = {
  readonly module: string;
  readonly version: string;
  /** What go prints as Sum: of every file in the module. */
  readonly sum: string;
  /** A file, or a folder of files, of definitions. */
  readonly path: string;
};

export const gatewayCrdSources: readonly Source[] = [
  {
    // The version that Envoy Gateway 1.9 wants.
    module: "sigs.k8s.io/gateway-api",
    version: "v1.6.1",
    sum: "h1:mock6phZbI6rvZerwrVNk7hVNymQgHo+6sJ81Ia7ftY=",
    path: "config/crd/standard",
  },
  {
    module: "github.com/envoyproxy/gateway",
    version: "v1.9.1",
    sum: "h1:vAVp6/AlBXJ1aOhp1mxL7fNEzVEfjADUguUhm2wzxQY=",
    path: "charts/gateway-helm/charts/crds/crds/generated",
  },
  {
    module: "istio.io/api",
    version: "v1.31.1",
    sum: "h1:5Yb5ihcz4YQsCkciusK7DnFpBMwRB6EFWeUKH1Atuyk=",
    path: "kubernetes/customresourcedefinitions.gen.yaml",
  },
];

const downloadMsMax = 5 * 60_000;

/** A folder of YAML files. Throws MissingComponent when there is none and none can be fetched. */
export function getGatewayCrds(): Promise<string> {
  const versions = gatewayCrdSources.map(({ version }) => version.slice(1)).join("-");
  return cached(`gateway-crds-${versions}`, async (draft) => {
    for (const source of gatewayCrdSources) await fetchInto(draft, source);
  });
}

async function fetchInto(draft: string, { module, version, sum, path }: Source): Promise<void> {
  const name = `${module}@${version}`;
  // Outside of every module, so that nothing of this machine's has a say in the version.
  const env = { GOFLAGS: "", GOWORK: "off" };
  const args = ["mod", "download", "-json", name];
  const got = await run({ name: "go", command: "go", args, cwd: draft, env }, downloadMsMax);
  if (got.code !== 0) {
    const said = `${got.stderr}${got.stdout}`.trim();
    const howTo = "Install Go 1.26 or later, and let it reach its module proxy.";
    throw new MissingComponent(`go mod download ${name}: ${said}. ${howTo}`);
  }
  const { Dir: folder, Sum: found } = JSON.parse(got.stdout) as Readonly<Record<string, string>>;
  if (found !== sum) throw new Error(`${name} has checksum ${found}, wanted ${sum}`);
  const from = join(folder ?? "", path);
  const isFolder = statSync(from).isDirectory();
  const to = join(draft, module.replaceAll("/", "+"));
  mkdirSync(to);
  const files = isFolder ? readdirSync(from).filter((each) => each.endsWith(".yaml")) : [""];
  for (const file of files) copyFileSync(join(from, file), join(to, file || "all.yaml"));
}

export type CustomResourceDefinition = {
  readonly kind: "CustomResourceDefinition";
  readonly metadata: { readonly name: string };
  readonly spec: { readonly group: string; readonly names: { readonly kind: string } };
};

/** The definitions of such kinds, written `group/Kind`; a kind that no source defines has none. */
export function definitionsOf(
  folder: string,
  kinds: ReadonlySet<string>,
): readonly CustomResourceDefinition[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith(".yaml"))
    .sort()
    .flatMap((file) => readFileSync(join(folder, file), "utf8").split(/^---$/m))
    .filter((text) => /^kind: CustomResourceDefinition$/m.test(text))
    .filter((text) => {
      const group = /^ {2}group: (\S+)$/m.exec(text)?.[1];
      const kind = /^ {4}kind: (\S+)$/m.exec(text)?.[1];
      return kinds.has(`${group}/${kind}`);
    })
    .flatMap((text) => parseAllDocuments(text).map((each) => each.toJS() as unknown))
    .map((each) => each as CustomResourceDefinition);
}
