// The custom resource definitions, out of the limits that the decoder of src/policy enforces: what the API server
// refuses and what lint refuses is the same. Written to helm/aliasguard/files/crds by write-crds.ts.

import {
  bodyFieldPattern,
  modelKeyPattern,
  refusedFieldPattern,
} from "../src/core/body/field-table.ts";
import {
  aliasNameSource,
  modelGrammar,
  modelNameSource,
  modelPatternSource,
} from "../src/core/permission/model-name.ts";
import { upstreamCredentialHeaders } from "../src/core/permission/snapshot.ts";
import { modelNameBytesMax } from "../src/core/request.ts";
import { policyLimits } from "../src/policy/decode/limits.ts";
import { policyGroup } from "../src/policy/resources.ts";

type Schema = { readonly [name: string]: unknown };

/** An OpenAPI schema of an object that has exactly these fields. */
function object(properties: Schema, more: Schema = {}): Schema {
  return { type: "object", properties, ...more };
}

function list(items: Schema, more: Schema): Schema {
  return { type: "array", items, "x-kubernetes-list-type": "atomic", ...more };
}

/** A string within a grammar that the message puts in words: a `pattern` would show the regular expression. */
function grammarText(source: string, message: string): Schema {
  return {
    type: "string",
    minLength: 1,
    maxLength: modelNameBytesMax,
    "x-kubernetes-validations": [{ rule: `self.matches(r'${source}')`, message }],
  };
}

const modelName = grammarText(modelNameSource, `must be a model name: ${modelGrammar}`);

/** A model name, or one in which `*` may stand anywhere. */
const modelPattern = grammarText(
  modelPatternSource,
  `must be a model name, in which * may stand for any characters: ${modelGrammar}`,
);

/** A model name, or an alias for all names that begin alike. */
const aliasNameMessage = `must be a model name, which may end in one *: ${modelGrammar}`;
const aliasName = grammarText(aliasNameSource, aliasNameMessage);

const objectName = {
  type: "string",
  minLength: 1,
  maxLength: policyLimits.objectNameLength,
  pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
};

const timestamp = {
  type: "string",
  format: "date-time",
  maxLength: policyLimits.timestampLength,
};

const description = {
  type: "string",
  maxLength: policyLimits.descriptionLength,
  description: "For readers of the policy; without effect.",
};

const grantList = (items: Schema, text: string): Schema =>
  list(items, { maxItems: policyLimits.grantEntries, description: text });

const grants = object(
  {
    models: grantList(
      modelPattern,
      "Canonical models, exact or with *. Naming an alias here grants nothing.",
    ),
    aliases: grantList(
      aliasName,
      "Aliases, by their names as written: whoever may use one may run what it points to, through it only.",
    ),
    groups: grantList(objectName, "AccessGroups, by metadata.name."),
    deny: grantList(modelPattern, "Names and patterns that are refused whatever else is granted."),
  },
  { description: "What may be used. An empty grant grants nothing." },
);

const scopedAliases = {
  type: "object",
  additionalProperties: modelName,
  maxProperties: policyLimits.scopedAliases,
  description:
    "Alias to the model or alias it stands for; with one * at its end, for every name that begins like it.",
  "x-kubernetes-validations": [
    {
      rule: `self.all(name, size(name) <= ${modelNameBytesMax} && name.matches(r'${aliasNameSource}'))`,
      message: `each alias ${aliasNameMessage}`,
    },
  ],
};

const keyHash = {
  type: "string",
  pattern: "^sha256:[0-9a-f]{64}$",
  maxLength: 71,
  description: "sha256: and the 64 lower-case hex digits of the SHA-256 of the key.",
};

const secretRef = object(
  {
    name: objectName,
    key: {
      type: "string",
      minLength: 1,
      maxLength: policyLimits.secretKeyLength,
      pattern: "^[A-Za-z0-9._-]+$",
    },
  },
  {
    required: ["name", "key"],
    description:
      "The entry of a Secret that holds the key. The controller hashes it; the key never leaves its Secret.",
  },
);

const oneCredential = {
  rule: "has(self.keyHash) != has(self.secretRef)",
  message: "must have either keyHash or secretRef",
};

/**
 * A word or an object: a type that a structural schema cannot name. So none is given, and each branch holds limits that
 * values of the other kinds can never keep; values of a kind that a limit is not for pass it.
 */
const stickyBy = {
  "x-kubernetes-preserve-unknown-fields": true,
  description:
    "What keeps its target: each request for itself (request, the default), a key, or the value of a header ({header: NAME}).",
  properties: {
    header: {
      type: "string",
      minLength: 1,
      maxLength: policyLimits.headerNameLength,
      pattern: "^[A-Za-z0-9-]+$",
    },
  },
  anyOf: [
    { enum: ["request", "key"] },
    {
      required: ["header"],
      maxProperties: 1,
      pattern: "^\\b$",
      minimum: 1,
      maximum: 0,
      minItems: 1,
      maxItems: 0,
      not: { enum: [true, false] },
    },
  ],
};

const modelAlias = object(
  {
    alias: {
      ...aliasName,
      description:
        "What callers send; with one * at its end, every name that begins like it. Default: metadata.name.",
    },
    target: { ...modelName, description: "The model, or another alias, that it stands for." },
    targets: list(
      object(
        {
          model: modelName,
          weight: { type: "integer", minimum: 0, maximum: policyLimits.targetWeight, default: 1 },
        },
        { required: ["model"] },
      ),
      {
        minItems: 1,
        maxItems: policyLimits.aliasTargets,
        description: "Several, by weight. Every one must be granted.",
      },
    ),
    stickyBy,
    teams: list(objectName, {
      minItems: 1,
      maxItems: policyLimits.aliasTeams,
      description: "Visible to these Teams only. Default: to everyone.",
    }),
    hidden: { type: "boolean", description: "Usable, but not listed in /v1/models." },
    description,
  },
  {
    "x-kubernetes-validations": [
      {
        rule: "has(self.target) != has(self.targets)",
        message: "must have either target or targets",
      },
      {
        rule: "!has(self.targets) || self.targets.exists(t, t.weight > 0)",
        message: "must have at least one target with a weight above 0",
      },
    ],
  },
);

const team = object({ grants, aliases: scopedAliases, description });

const virtualKey = object(
  {
    team: {
      ...objectName,
      description: "The Team it belongs to. Both the key's grants and the team's must allow.",
    },
    grants: { ...grants, description: "Absent: the team's. Empty: nothing." },
    aliases: scopedAliases,
    keyHash,
    secretRef,
    previous: object(
      { keyHash, secretRef, until: timestamp },
      {
        required: ["until"],
        description: "The key before a rotation, good until a moment.",
        "x-kubernetes-validations": [oneCredential],
      },
    ),
    notBefore: timestamp,
    expiresAt: timestamp,
    disabled: { type: "boolean" },
    description,
  },
  {
    "x-kubernetes-validations": [
      oneCredential,
      {
        rule: "!has(self.notBefore) || !has(self.expiresAt) || self.expiresAt > self.notBefore",
        message: "expiresAt must be after notBefore",
      },
      {
        rule: "!has(self.previous) || !has(self.keyHash) || !has(self.previous.keyHash) || self.previous.keyHash != self.keyHash",
        message: "previous.keyHash must differ from keyHash",
      },
      {
        rule: "!has(self.previous) || !has(self.secretRef) || !has(self.previous.secretRef) || self.previous.secretRef.name != self.secretRef.name || self.previous.secretRef.key != self.secretRef.key",
        message: "previous.secretRef must differ from secretRef",
      },
    ],
  },
);

const accessGroup = object(
  { models: grantList(modelPattern, "Canonical models, exact or with *."), description },
  { required: ["models"] },
);

const fieldList = (pattern: string, text: string): Schema =>
  list(
    {
      type: "string",
      minLength: 1,
      maxLength: policyLimits.fieldNameLength,
      pattern,
      not: { pattern: modelKeyPattern },
    },
    { maxItems: policyLimits.fieldEntries, description: text },
  );

const model = object({
  name: {
    ...modelName,
    description:
      "Canonical name: what is authorized and put in headers and logs. Default: metadata.name.",
  },
  upstreamName: { ...modelName, description: "What the backend calls it. Default: name." },
  backend: {
    type: "string",
    enum: ["leaf", "router"],
    description:
      "router (default): a backend that can itself pick models, so that more body fields are refused.",
  },
  bodyFields: fieldList(
    bodyFieldPattern,
    "Body fields that its backend takes although they are unknown or listed as refused.",
  ),
  refusedFields: fieldList(
    refusedFieldPattern,
    "Known body fields, and types of tools as tools[].type=mcp, that its backend is never sent.",
  ),
  fallbacks: list(modelName, {
    maxItems: policyLimits.modelFallbacks,
    description:
      "Canonical models that the backend may run in its stead. Each must be granted like the model itself.",
  }),
  upstreamCredential: object(
    {
      name: {
        type: "string",
        minLength: 1,
        maxLength: policyLimits.secretKeyLength,
        pattern: "^[A-Za-z0-9_-][-._A-Za-z0-9]*$",
        description: "An entry of the Secret that the authorizers have mounted, or a file there.",
      },
      header: {
        type: "string",
        enum: [...upstreamCredentialHeaders],
        description: "Where the backend wants it. Default: authorization, as a Bearer token.",
      },
    },
    {
      required: ["name"],
      description: "What the backend gets in place of the caller's key.",
    },
  ),
  ownedBy: {
    type: "string",
    maxLength: policyLimits.ownedByLength,
    pattern: "^[^\\x00-\\x1f\\x7f-\\x{9f}]*$",
  },
  description,
});

const condition = object(
  {
    type: { type: "string", maxLength: 64 },
    status: { type: "string", enum: ["True", "False", "Unknown"] },
    observedGeneration: { type: "integer", format: "int64", minimum: 0 },
    lastTransitionTime: { type: "string", format: "date-time" },
    reason: {
      type: "string",
      minLength: 1,
      maxLength: 64,
      pattern: "^[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?$",
    },
    message: { type: "string", maxLength: 4096 },
  },
  { required: ["type", "status", "lastTransitionTime", "reason", "message"] },
);

const conditions = {
  type: "array",
  items: condition,
  maxItems: 8,
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["type"],
};

const count = { type: "integer", format: "int64", minimum: 0 };

type Column = { readonly name: string; readonly path: string; readonly priority?: number };

type Kind = {
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortName: string;
  readonly text: string;
  readonly spec: Schema;
  readonly status?: Schema;
  readonly columns: readonly Column[];
  readonly selectable?: readonly string[];
};

const acceptedPath = '.status.conditions[?(@.type=="Accepted")]';

const kinds: readonly Kind[] = [
  {
    kind: "ModelAlias",
    plural: "modelaliases",
    singular: "modelalias",
    shortName: "malias",
    text: "A name that callers may send in place of a model.",
    spec: modelAlias,
    status: {
      resolvesTo: list(
        { type: "string", maxLength: modelNameBytesMax },
        {
          maxItems: 64,
          description: "Every model that can run, for callers without aliases of their own.",
        },
      ),
      usableByKeys: { ...count, description: "How many VirtualKeys may use it." },
    },
    columns: [
      { name: "Alias", path: ".spec.alias" },
      { name: "Target", path: ".spec.target" },
    ],
    selectable: [".spec.alias", ".spec.target"],
  },
  {
    kind: "Team",
    plural: "teams",
    singular: "team",
    shortName: "agteam",
    text: "An owner of VirtualKeys, with grants that bound theirs.",
    spec: team,
    status: { keys: { ...count, description: "How many VirtualKeys belong to it." } },
    columns: [{ name: "Keys", path: ".status.keys" }],
  },
  {
    kind: "VirtualKey",
    plural: "virtualkeys",
    singular: "virtualkey",
    shortName: "vkey",
    text: "A key that callers present, known by its digest only.",
    spec: virtualKey,
    columns: [
      { name: "Team", path: ".spec.team" },
      { name: "Disabled", path: ".spec.disabled", priority: 1 },
      { name: "Expires", path: ".spec.expiresAt", priority: 1 },
    ],
    selectable: [".spec.team"],
  },
  {
    kind: "AccessGroup",
    plural: "accessgroups",
    singular: "accessgroup",
    shortName: "aggroup",
    text: "A named set of models, for grants.groups.",
    spec: accessGroup,
    columns: [],
  },
  {
    kind: "Model",
    plural: "models",
    singular: "model",
    shortName: "agmodel",
    text: "What is known of a model: its backend, its name there, its credential. While the catalogue is closed, only such models can run.",
    spec: model,
    columns: [
      { name: "Model", path: ".spec.name" },
      { name: "Upstream", path: ".spec.upstreamName" },
      { name: "Backend", path: ".spec.backend", priority: 1 },
    ],
    selectable: [".spec.name"],
  },
];

function toColumn({ name, path, priority = 0 }: Column): Schema {
  const type = path.startsWith(".status.keys")
    ? "integer"
    : path.endsWith(".disabled")
      ? "boolean"
      : "string";
  return { name, type, jsonPath: path, ...(priority === 0 ? {} : { priority }) };
}

function toDefinition(of: Kind): Schema {
  const columns = [
    ...of.columns,
    { name: "Accepted", path: `${acceptedPath}.status` },
    { name: "Reason", path: `${acceptedPath}.reason`, priority: 1 },
  ].map(toColumn);
  const age = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };
  const status = object({ conditions, ...of.status });
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${of.plural}.${policyGroup}`,
      // The objects are the users': uninstalling the chart must not delete them.
      annotations: { "helm.sh/resource-policy": "keep" },
    },
    spec: {
      group: policyGroup,
      names: {
        kind: of.kind,
        listKind: `${of.kind}List`,
        plural: of.plural,
        singular: of.singular,
        shortNames: [of.shortName],
        categories: ["aliasguard"],
      },
      scope: "Namespaced",
      versions: [
        {
          name: "v1alpha1",
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [...columns, age],
          ...(of.selectable === undefined
            ? {}
            : { selectableFields: of.selectable.map((jsonPath) => ({ jsonPath })) }),
          schema: {
            openAPIV3Schema: object(
              {
                apiVersion: { type: "string" },
                kind: { type: "string" },
                metadata: { type: "object" },
                spec: of.spec,
                status,
              },
              { description: of.text, required: ["spec"] },
            ),
          },
        },
      ],
    },
  };
}

/** Each definition with the name of its file. */
export const crdDefinitions: ReadonlyMap<string, Schema> = new Map(
  kinds.map((of) => [`${of.plural}.yaml`, toDefinition(of)]),
);
