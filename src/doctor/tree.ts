// Reads parts of an Envoy configuration that may be written in either spelling of proto-JSON, and that may hold anything.

export type Node = Readonly<Record<string, unknown>>;

/** undefined for what is no object. */
export function nodeOf(value: unknown): Node | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Node)
    : undefined;
}

/** A field by its proto name; `typed_config` is also found as `typedConfig`. */
export function field(node: Node | undefined, name: string): unknown {
  if (node === undefined) return undefined;
  if (Object.hasOwn(node, name)) return node[name];
  const camel = name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return Object.hasOwn(node, camel) ? node[camel] : undefined;
}

/** The node at the end of a way of fields. */
export function at(node: Node | undefined, ...names: readonly string[]): Node | undefined {
  let here = node;
  for (const name of names) here = nodeOf(field(here, name));
  return here;
}

export function list(node: Node | undefined, name: string): readonly Node[] {
  const value = field(node, name);
  return Array.isArray(value) ? nodesOf(value) : [];
}

function nodesOf(values: readonly unknown[]): readonly Node[] {
  return values.map(nodeOf).filter((each) => each !== undefined);
}

export function texts(node: Node | undefined, name: string): readonly string[] {
  const value = field(node, name);
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

export function text(node: Node | undefined, name: string): string | undefined {
  const value = field(node, name);
  return typeof value === "string" ? value : undefined;
}

/** A bool, a BoolValue as an object, or a bool as text. */
export function flag(node: Node | undefined, name: string): boolean {
  const value = field(node, name);
  const inner = nodeOf(value);
  const plain = inner === undefined ? value : inner["value"];
  return plain === true || plain === "true";
}

/** A number, one as text (64-bit ones are), or a wrapper. */
export function numberOf(node: Node | undefined, name: string): number | undefined {
  const value = field(node, name);
  const inner = nodeOf(value);
  const plain = inner === undefined ? value : inner["value"];
  if (typeof plain !== "number" && typeof plain !== "string") return undefined;
  const found = Number(plain);
  return Number.isFinite(found) ? found : undefined;
}

/** Seconds of a duration such as `5s` or `{seconds: 5, nanos: 0}`. */
export function seconds(node: Node | undefined, name: string): number | undefined {
  const value = field(node, name);
  if (typeof value === "string") {
    const found = /^([0-9]+(?:\.[0-9]+)?)s$/.exec(value)?.[1];
    return found === undefined ? undefined : Number(found);
  }
  const inner = nodeOf(value);
  if (inner === undefined) return undefined;
  return (numberOf(inner, "seconds") ?? 0) + (numberOf(inner, "nanos") ?? 0) / 1e9;
}

/** An enum by name or number, as its name. */
export function enumOf(
  node: Node | undefined,
  name: string,
  names: readonly string[],
): string | undefined {
  const value = field(node, name);
  if (typeof value === "number") return names[value] ?? String(value);
  return typeof value === "string" ? value : undefined;
}

/** The message's type without its package: `ExtAuthz`. */
export function typeOf(config: Node | undefined): string {
  const url = config?.["@type"];
  return typeof url === "string" ? (url.split(".").at(-1) ?? "") : "";
}

/** A typed config, unwrapped where a control plane has put it into a TypedStruct. */
export function typed(node: Node | undefined, name = "typed_config"): Node | undefined {
  const config = nodeOf(field(node, name));
  if (typeOf(config) !== "TypedStruct") return config;
  const value = at(config, "value");
  const url = text(config, "type_url");
  return value === undefined || url === undefined ? config : { "@type": url, ...value };
}
