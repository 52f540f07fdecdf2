// The limits of docs/reference/limits.md: each number comes from the code that enforces it.

import { resolvesToStepsMax } from "../../src/controller/shown.ts";
import { usagePairsMax, usageStepsMax } from "../../src/controller/usage.ts";
import { nestedModelsMax } from "../../src/core/body/draft.ts";
import { toolDepthMax } from "../../src/core/body/hosted-tools.ts";
import {
  formPartsMax,
  partHeaderBytesMax,
  partNameLengthMax,
} from "../../src/core/body/multipart/parts.ts";
import { presentedKeyLengthMax, presentedKeyLengthMin } from "../../src/core/http/credential.ts";
import { jsonKeysMax } from "../../src/core/json/keys.ts";
import { jsonDepthMax, jsonNumberLengthMax } from "../../src/core/json/scan.ts";
import { aliasHopsMax } from "../../src/core/permission/resolve.ts";
import { decisionStepsMax, listStepsMax } from "../../src/core/permission/work.ts";
import { modelNameBytesMax } from "../../src/core/request.ts";
import { responseStreamsBytesMax } from "../../src/envoy/ext-proc/call.ts";
import { chunkBytesMax } from "../../src/envoy/ext-proc/chunks.ts";
import { idleBytesMax, unreadBytesMax } from "../../src/envoy/grpc/admission.ts";
import { readMsMax } from "../../src/envoy/grpc/message-reader.ts";
import { cycleMembersMax } from "../../src/policy/compile/alias-check.ts";
import { aliasStepsMax } from "../../src/policy/compile/compile.ts";
import { adviceStepsMax, problemsPerObjectMax } from "../../src/policy/compile/context.ts";
import { policyLimits } from "../../src/policy/decode/limits.ts";
import { configMapBytesMax } from "../../src/policy/document/shards.ts";
import { bodyBytesMaxLimit } from "../../src/settings/settings.ts";
import { documentsMax } from "../../src/sources/files/manifest-documents.ts";
import { fileBytesMax, filesMax } from "../../src/sources/files/manifest-listing.ts";
import { problemsPerFileMax } from "../../src/sources/files/problem-list.ts";
import { nestingMax, yamlAliasesMax } from "../../src/sources/files/yaml-structure.ts";
import { defaultLoadLimits } from "../../src/sources/loading/policy-thread.ts";

const count = (value: number): string => value.toLocaleString("en-US");

function bytes(value: number): string {
  const unit = [
    ["MiB", 2 ** 20],
    ["KiB", 2 ** 10],
  ] as const;
  const fits = unit.find(([, size]) => value >= size && value % size === 0);
  return fits === undefined ? `${count(value)} bytes` : `${count(value / fits[1])} ${fits[0]}`;
}

const seconds = (ms: number): string => `${count(ms / 1000)} s`;

type Limits = {
  readonly heading: string;
  readonly rows: readonly (readonly [string, string])[];
};

/** What each number of `policyLimits` bounds. A new one without a line here does not compile. */
const policyLimitMeanings: Readonly<Record<keyof typeof policyLimits, string>> = {
  objectNameLength: "characters of `metadata.name`, and of every reference to one",
  namespaceLength: "characters of a namespace",
  aliasTargets: "targets of one ModelAlias",
  modelFallbacks: "fallbacks of one Model",
  aliasTeams: "Teams that one ModelAlias is visible to",
  targetWeight: "largest weight of a target",
  grantEntries: "entries of each list of a grant, and models of an AccessGroup",
  grantCharacters: "characters of the names of one grant together",
  scopedAliases: "aliases of one Team or VirtualKey",
  headerNameLength: "characters of the header in `stickyBy`",
  secretKeyLength: "characters of the entry of a Secret",
  timestampLength: "characters of a timestamp",
  fieldEntries: "entries of `bodyFields` and of `refusedFields` of one Model",
  fieldNameLength: "characters of one of them",
  ownedByLength: "characters of `ownedBy`",
  descriptionLength: "characters of a description",
};

export const limitRows: readonly Limits[] = [
  {
    heading: "Requests",
    rows: [
      ["characters of a presented key", `${presentedKeyLengthMin} to ${presentedKeyLengthMax}`],
      ["characters of a model name", count(modelNameBytesMax)],
      ["aliases that a chain may pass", count(aliasHopsMax)],
      ["steps of one decision", count(decisionStepsMax)],
      ["steps of one list of models", count(listStepsMax)],
      ["largest `--body-bytes-max`", bytes(bodyBytesMaxLimit)],
      ["nesting of a JSON body", count(jsonDepthMax)],
      ["keys of one JSON object", count(jsonKeysMax)],
      ["characters of a JSON number", count(jsonNumberLengthMax)],
      ["models named beside the main one", count(nestedModelsMax)],
      ["tools within tools", count(toolDepthMax)],
      ["parts of a form", count(formPartsMax)],
      ["bytes of the headers of one part", count(partHeaderBytesMax)],
      ["characters of the name of a part", count(partNameLengthMax)],
    ],
  },
  {
    heading: "Objects of a policy",
    rows: Object.entries(policyLimitMeanings).map(([name, meaning]) => [
      meaning,
      count(policyLimits[name as keyof typeof policyLimits]),
    ]),
  },
  {
    heading: "Policies in files",
    rows: [
      ["files", count(filesMax)],
      ["size of a file", bytes(fileBytesMax)],
      ["YAML documents", count(documentsMax)],
      ["nesting", count(nestingMax)],
      ["YAML anchors or aliases in a document", count(yamlAliasesMax)],
      ["problems that are named per file", count(problemsPerFileMax)],
      ["time to load", seconds(defaultLoadLimits.msMax)],
      ["memory to load", bytes(defaultLoadLimits.heapMibMax * 2 ** 20)],
    ],
  },
  {
    heading: "Compiling a policy",
    rows: [
      ["targets and look-ups to find aliases that can never be used", count(aliasStepsMax)],
      ["members of a cycle that are named", count(cycleMembersMax)],
      ["steps for advice", count(adviceStepsMax)],
      ["problems that are named per object", count(problemsPerObjectMax)],
      ["pairs of an alias and a kind of key in `usableByKeys`", count(usagePairsMax)],
      ["steps of `usableByKeys` for one alias", count(usageStepsMax)],
      ["targets that are looked at for `resolvesTo`", count(resolvesToStepsMax)],
    ],
  },
  {
    heading: "Policies in ConfigMaps",
    rows: [["size of one ConfigMap", bytes(configMapBytesMax)]],
  },
  {
    heading: "Messages",
    rows: [
      ["a check that waits for room, its connection's buffers included", bytes(unreadBytesMax)],
      ["time in which a check must be read", seconds(readMsMax)],
      ["ext_proc streams that wait for their body, together", bytes(idleBytesMax)],
      ["responses that are read, together", bytes(responseStreamsBytesMax)],
      ["ext_proc messages that have not come whole, together", bytes(chunkBytesMax)],
    ],
  },
];
