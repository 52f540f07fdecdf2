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

/** A rule of the Common Expression Language, whose message says in words what a regular expression would not. */
function rule(expression: string, message: string): Schema {
  return { rule: expression, message };
}

/** A regular expression inside an expression. */
function matches(subject: string, pattern: string): string {
  return `${subject}.matches('${pattern.replaceAll("\\", "\\\\")}')`;
}

/** A string of a grammar that is told in words. */
function worded(pattern: string, message: string, more: Schema): Schema {
  return {
    type: "string",
    minLength: 1,
    ...more,
    "x-kubernetes-validations": [rule(matches("self", pattern), message)],
  };
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

const objectName = worded(
  "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
  "must be the name of an object: a-z 0-9 - and ., beginning and ending with a letter or digit",
  { maxLength: policyLimits.objectNameLength },
);

/** RFC 3339. */
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
  {
    description: "What may be used. An empty grant grants nothing.",
    "x-kubernetes-validations": [
      rule(
        `${["models", "aliases", "groups", "deny"].map((field) => `(has(self.${field}) ? self.${field}.map(n, size(n)).sum() : 0)`).join(" + ")} <= ${policyLimits.grantCharacters}`,
        `must have names of at most ${policyLimits.grantCharacters} characters together`,
      ),
    ],
  },
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

const keyHash = worded(
  "^sha256:[0-9a-f]{64}$",
  "must be sha256: and 64 lower-case hex digits: the hash of the key, never the key itself",
  {
    maxLength: 71,
    description: "sha256: and the 64 lower-case hex digits of the SHA-256 of the key.",
  },
);

const secretRef = object(
  {
    name: { ...objectName, description: "Name of the Secret, in the same namespace." },
    key: worded("^[A-Za-z0-9._-]+$", "must be the name of an entry: A-Z a-z 0-9 . _ -", {
      maxLength: policyLimits.secretKeyLength,
      description: "The entry of the Secret.",
    }),
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
      description: "Name of a request header: equal values keep the same target.",
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
          model: { ...modelName, description: "A model, or another alias." },
          // No default here: kubectl apply would find each list changed that leaves it out.
          weight: {
            type: "integer",
            minimum: 0,
            maximum: policyLimits.targetWeight,
            description: "Its share among the weights of all targets; 0 is never run. Default: 1.",
          },
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
        rule: "!has(self.targets) || self.targets.exists(t, !has(t.weight) || t.weight > 0)",
        message: "must have at least one target with a weight above 0",
      },
    ],
  },
);

const team = object({
  grants,
  aliases: scopedAliases,
  disabled: {
    type: "boolean",
    description: "Switches off every key of the Team: they are refused like unknown ones (401).",
  },
  description,
});

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
      {
        keyHash,
        secretRef,
        until: {
          ...timestamp,
          description: "From this moment on it is refused. RFC 3339, with a zone.",
        },
      },
      {
        required: ["until"],
        description: "The key before a rotation, good until a moment.",
        "x-kubernetes-validations": [oneCredential],
      },
    ),
    notBefore: {
      ...timestamp,
      description: "Before this moment the key is refused. RFC 3339, with a zone.",
    },
    expiresAt: {
      ...timestamp,
      description: "From this moment on the key is refused. RFC 3339, with a zone.",
    },
    disabled: {
      type: "boolean",
      description: "Switches the key off: it is refused like an unknown one (401).",
    },
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
      name: worded(
        "^[A-Za-z0-9_-][-._A-Za-z0-9]*$",
        "must be the name of an entry: A-Z a-z 0-9 . _ -, not beginning with a dot",
        {
          maxLength: policyLimits.secretKeyLength,
          description: "An entry of the Secret that the authorizers have mounted, or a file there.",
        },
      ),
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
    description: "Who serves it: owned_by in the list of models.",
    "x-kubernetes-validations": [
      rule(
        matches("self", "^[^\\x00-\\x1f\\x7f-\\x{9f}]*$"),
        "must be one line without control characters",
      ),
    ],
  },
  description,
});

const condition = object(
  {
    type: { type: "string", maxLength: 64, description: "What the condition is about." },
    status: {
      type: "string",
      enum: ["True", "False", "Unknown"],
      description: "Whether it is so.",
    },
    observedGeneration: {
      type: "integer",
      format: "int64",
      minimum: 0,
      description: "The metadata.generation of the object that it was found for.",
    },
    lastTransitionTime: {
      type: "string",
      format: "date-time",
      description: "When status became what it is.",
    },
    reason: {
      type: "string",
      minLength: 1,
      maxLength: 64,
      pattern: "^[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?$",
      description: "One word for why; a closed list.",
    },
    message: { type: "string", maxLength: 4096, description: "The same for people." },
  },
  { required: ["type", "status", "lastTransitionTime", "reason", "message"] },
);

const conditions = {
  type: "array",
  items: condition,
  maxItems: 8,
  description:
    "Accepted, ResolvedRefs, Programmed, Ready, which sums up the others, and Advice where lint has one.",
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["type"],
};

const count = { type: "integer", format: "int64", minimum: 0 };

/** Text of a status, which the controller writes. */
const shownText = (maxLength: number, text: string): Schema => ({
  type: "string",
  maxLength,
  description: text,
});

type Column = {
  readonly name: string;
  readonly path: string;
  readonly type?: "string" | "integer" | "boolean";
  readonly priority?: number;
};

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

const readyPath = '.status.conditions[?(@.type=="Ready")]';

const kinds: readonly Kind[] = [
  {
    kind: "ModelAlias",
    plural: "modelaliases",
    singular: "modelalias",
    shortName: "malias",
    text: "A name that callers may send in place of a model.",
    spec: modelAlias,
    status: {
      alias: shownText(modelNameBytesMax, "What callers send, be it the default."),
      target: shownText(modelNameBytesMax, "Target, or targets with their weights, in one line."),
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
      { name: "Alias", path: ".status.alias" },
      { name: "Target", path: ".status.target" },
      { name: "Resolves-To", path: ".status.resolvesTo", priority: 1 },
      { name: "Usable-By", path: ".status.usableByKeys", type: "integer", priority: 1 },
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
    status: { keys: { ...count, description: "How many of its VirtualKeys are valid now." } },
    columns: [
      { name: "Keys", path: ".status.keys", type: "integer" },
      { name: "Disabled", path: ".spec.disabled", type: "boolean", priority: 1 },
    ],
  },
  {
    kind: "VirtualKey",
    plural: "virtualkeys",
    singular: "virtualkey",
    shortName: "vkey",
    text: "A key that callers present, known by its digest only.",
    spec: virtualKey,
    status: {
      keyId: shownText(
        32,
        "What is public of a key that aliasguard has made: ag_ID_..., by which logs name it.",
      ),
      digestPrefix: shownText(64, "The first hex digits of the SHA-256 of the key."),
    },
    columns: [
      { name: "Team", path: ".spec.team" },
      { name: "Id", path: ".status.keyId" },
      { name: "Disabled", path: ".spec.disabled", type: "boolean" },
      { name: "Expires", path: ".spec.expiresAt" },
      { name: "Digest", path: ".status.digestPrefix", priority: 1 },
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
    status: {
      model: shownText(modelNameBytesMax, "The canonical name, be it the default."),
      upstreamName: shownText(modelNameBytesMax, "What the backend calls it, be it the default."),
      backend: shownText(32, "The kind of the backend, be it the default."),
    },
    columns: [
      { name: "Model", path: ".status.model" },
      { name: "Upstream", path: ".status.upstreamName" },
      { name: "Backend", path: ".status.backend" },
    ],
    selectable: [".spec.name"],
  },
];

function toColumn({ name, path, type = "string", priority = 0 }: Column): Schema {
  return { name, type, jsonPath: path, ...(priority === 0 ? {} : { priority }) };
}

function toDefinition(of: Kind): Schema {
  const columns = [
    ...of.columns,
    { name: "Ready", path: `${readyPath}.status` },
    { name: "Reason", path: `${readyPath}.reason` },
    { name: "Message", path: `${readyPath}.message` },
  ].map(toColumn);
  const age = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };
  const observedGeneration = {
    ...count,
    description: "The metadata.generation of the object that this status is of.",
  };
  const status = object(
    { observedGeneration, conditions, ...of.status },
    { description: "What the controller has made of the object." },
  );
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
                apiVersion: {
                  type: "string",
                  description: `The version of the definition: ${policyGroup}/v1alpha1.`,
                },
                kind: { type: "string", description: `The kind of object: ${of.kind}.` },
                metadata: { type: "object" },
                spec: { description: "What the author wants.", ...of.spec },
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
