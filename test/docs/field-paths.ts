// The fields of a custom resource definition, as docs/policy.md names them: `spec.targets[].model`.

type Schema = {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
};

type Definition = {
  readonly spec: {
    readonly names: { readonly kind: string };
    readonly versions: readonly [{ readonly schema: { readonly openAPIV3Schema: Schema } }];
  };
};

export function kindOf(definition: unknown): string {
  return (definition as Definition).spec.names.kind;
}

/** Every field of spec and status, with the objects and lists that hold others. Free keys of a map are none. */
export function fieldPathsOf(definition: unknown): readonly string[] {
  const { properties = {} } = (definition as Definition).spec.versions[0].schema.openAPIV3Schema;
  return ["spec", "status"].flatMap((top) => below(properties[top] ?? {}, top));
}

function below(schema: Schema, path: string): readonly string[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, each]) => [
    `${path}.${name}`,
    ...below(each, `${path}.${name}`),
  ]);
  return schema.items === undefined ? own : [...own, ...below(schema.items, `${path}[]`)];
}

/** The paths of every member of a value, as docs/policy.md writes them. */
export function pathsOfValue(value: unknown, prefix = ""): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((each) => pathsOfValue(each, `${prefix}[]`));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, each]) => {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    return [path, ...pathsOfValue(each, path)];
  });
}
