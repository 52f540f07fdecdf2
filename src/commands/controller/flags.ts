// The flags of `aliasguard controller`, or what is wrong with them.

import { parseArgs } from "node:util";
import type { CatalogueWord } from "../../core/permission/snapshot.ts";
import { documentShardsMax } from "../../policy/document/index-record.ts";
import { readCatalogue } from "../../settings/settings.ts";
import type { CommandIo, ExitCode } from "../io.ts";

export const controllerUsage = `Usage: aliasguard controller --configmap NAME [options]

Compiles the custom resources of one namespace into ConfigMaps, which the authorizers read
(aliasguard serve --policy-configmap NAMESPACE/NAME), and writes their status. Several may run: one leads.

  --configmap NAME   of the ConfigMap with the policy; shards are NAME-1, NAME-2 ...
  --namespace NS     [the pod's own, or the kubeconfig's]
  --lease NAME       of the Lease that the leader holds [NAME of the ConfigMap, and -controller]
  --kubeconfig FILE  [KUBECONFIG, ~/.kube/config or the pod's service account]
  --catalogue WORD   open or closed: closed lets only catalogued models (kind Model) run [open] (ALIASGUARD_CATALOGUE)
  --shards-max N     ConfigMaps that the policy may take beside its first one, 1 to ${documentShardsMax} [${documentShardsMax}]
  --admin HOST:PORT  where /healthz, /readyz and /metrics answer [127.0.0.1:9192]
  --log-level LEVEL  debug, info, warn, error or silent [info] (ALIASGUARD_LOG_LEVEL)
`;

const options = {
  configmap: { type: "string" },
  namespace: { type: "string" },
  lease: { type: "string" },
  kubeconfig: { type: "string" },
  catalogue: { type: "string" },
  "shards-max": { type: "string", default: String(documentShardsMax) },
  admin: { type: "string", default: "127.0.0.1:9192" },
  "log-level": { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

export type ControllerFlags = {
  readonly configMap: string;
  readonly namespace: string | undefined;
  readonly lease: string;
  readonly kubeconfig: string | undefined;
  readonly catalogue: CatalogueWord;
  readonly shardsMax: number;
  readonly admin: string;
  readonly logLevel: string;
};

const levels = ["debug", "info", "warn", "error", "silent"];
const objectName = /^[a-z0-9]([-.a-z0-9]{0,240}[a-z0-9])?$/;

/** Exit 0: help was wanted. Exit 2: the flags are wrong, and it has been said how. */
export function readControllerFlags(
  args: readonly string[],
  io: CommandIo,
): ControllerFlags | ExitCode {
  const wrong = (message: string): ExitCode => {
    io.stderr(`aliasguard controller: ${message}\n\n${controllerUsage}`);
    return 2;
  };
  try {
    const { values } = parseArgs({ args: [...args], options });
    if (values.help) {
      io.stdout(controllerUsage);
      return 0;
    }
    const { configmap, namespace, kubeconfig, admin } = values;
    if (configmap === undefined) return wrong("--configmap is required");
    const lease = values.lease ?? `${configmap}-controller`;
    const { catalogue, issues } = readCatalogue(values.catalogue, io.env);
    const [issue] = issues;
    if (issue !== undefined) return wrong(issue);
    const logLevel = values["log-level"] ?? io.env["ALIASGUARD_LOG_LEVEL"] ?? "info";
    const shown = JSON.stringify;
    for (const [flag, name] of Object.entries({ configmap, namespace, lease })) {
      if (name !== undefined && !objectName.test(name)) {
        return wrong(`--${flag} must be an object's name: current value is ${shown(name)}`);
      }
    }
    if (!levels.includes(logLevel)) {
      return wrong(
        `--log-level must be one of ${levels.join(", ")}: current value is ${shown(logLevel)}`,
      );
    }
    if (!/^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$/.test(admin)) {
      return wrong(`--admin must be host:port: current value is ${shown(admin)}`);
    }
    const shardsMax = Number(values["shards-max"]);
    if (!Number.isInteger(shardsMax) || shardsMax < 1 || shardsMax > documentShardsMax) {
      const found = shown(values["shards-max"]);
      return wrong(`--shards-max must be 1 to ${documentShardsMax}: current value is ${found}`);
    }
    return {
      ...{ configMap: configmap, namespace, lease, kubeconfig, catalogue },
      ...{ shardsMax, admin, logLevel },
    };
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error));
  }
}
