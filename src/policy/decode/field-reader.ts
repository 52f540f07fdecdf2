// Reads untyped JSON values field by field, and reports everything that is wrong instead of stopping at the first.
// Total: no value makes a reader throw. A reader that has reported returns undefined.

import { unknownFieldsNamedMax } from "./limits.ts";
import { described, quoted } from "./shown-text.ts";
import { similarName } from "./similar-name.ts";

export type FieldPath = readonly (string | number)[];
export type Report = (path: FieldPath, message: string) => void;

/** One value and where it stands. */
export type Field = { readonly value: unknown; readonly path: FieldPath; readonly report: Report };
export type FieldReader<T> = (field: Field) => T | undefined;

/** The fields of one object. */
export type Fields = {
  has(name: string): boolean;
  /** Reads the field where it is present; absent is undefined. */
  optional<T>(name: string, read: FieldReader<T>): T | undefined;
  /** The same, but absence is reported. */
  required<T>(name: string, read: FieldReader<T>): T | undefined;
};

/**
 * The object's fields. One that is not `known` is a mistake. `null` is a mistake too: the API server would drop it, and
 * a `grants:` left empty would then inherit the team's instead of granting nothing.
 */
export function readFields(field: Field, known: readonly string[]): Fields | undefined {
  const object = readPlainObject(field);
  if (object === undefined) return undefined;
  reportUnknown(field, Object.keys(object), known);
  return fieldsOf(field, object);
}

/** The object's fields, where others may stand beside the known ones. */
export function readOpenFields(field: Field): Fields | undefined {
  const object = readPlainObject(field);
  return object === undefined ? undefined : fieldsOf(field, object);
}

export function readPlainObject(field: Field): object | undefined {
  const { value } = field;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  return wanted(field, "an object");
}

/** Own properties only: `value.toString` is nothing that the author wrote. */
export function ownValue(object: object, name: string): unknown {
  return Object.hasOwn(object, name) ? Reflect.get(object, name) : undefined;
}

function fieldsOf({ path, report }: Field, object: object): Fields {
  const has = (name: string): boolean => ownValue(object, name) !== undefined;
  return {
    has,
    optional(name, read) {
      const value = ownValue(object, name);
      return value === undefined ? undefined : read({ value, path: [...path, name], report });
    },
    required(name, read) {
      const value = ownValue(object, name);
      if (value === undefined) return reportNothing(report, [...path, name], "is required");
      return read({ value, path: [...path, name], report });
    },
  };
}

/** How the message about a field begins that is none of the known ones. */
export const unknownFieldWords = "is not a known field";

function reportUnknown({ path, report }: Field, names: string[], known: readonly string[]): void {
  const unknown = names.filter((name) => !known.includes(name));
  for (const name of unknown.slice(0, unknownFieldsNamedMax)) {
    const similar = similarName(name, known);
    const hint =
      similar === undefined ? `known fields: ${known.join(", ")}` : `did you mean ${similar}?`;
    report([...path, name], `${unknownFieldWords}; ${hint}`);
  }
  const more = unknown.length - unknownFieldsNamedMax;
  if (more > 0) report(path, `has ${more} more unknown fields`);
}

/** Reports and gives undefined, so that a reader can end with it. */
export function reportNothing(report: Report, path: FieldPath, message: string): undefined {
  report(path, message);
  return undefined;
}

/** Reports what was wanted and what was found. A bare number or boolean where text is wanted gets the remedy. */
export function wanted({ value, path, report }: Field, what: string): undefined {
  const bare = typeof value === "number" || typeof value === "boolean";
  const remedy = bare && /\bstring|name|timestamp\b/.test(what) ? `; quote it: "${value}"` : "";
  return reportNothing(report, path, `must be ${what}: found ${described(value)}${remedy}`);
}

export function readBoolean(field: Field): boolean | undefined {
  return typeof field.value === "boolean" ? field.value : wanted(field, "true or false");
}

export function readWhole(
  field: Field,
  { min, max }: { min: number; max: number },
): number | undefined {
  const { value } = field;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) {
    return value;
  }
  return wanted(field, `a whole number from ${min} to ${max}`);
}

/** Free text of at most `max` characters, without control characters unless `lines` are allowed. */
export function readText(
  field: Field,
  { max, lines }: { max: number; lines: boolean },
): string | undefined {
  const { value } = field;
  if (typeof value !== "string") return wanted(field, "a string");
  if (value.length > max) return wanted(field, `a string of at most ${max} characters`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  if (!lines && /[\u0000-\u001f\u007f-\u009f]/.test(value)) {
    return wanted(field, "a string without control characters");
  }
  return value;
}

/** One of a closed list of words. */
export function readWord<const Word extends string>(
  field: Field,
  words: readonly Word[],
): Word | undefined {
  const found = words.find((word) => word === field.value);
  return found ?? wanted(field, words.join(" or "));
}

/** A list of at least `min` and at most `max` entries. Entries that are wrong are reported and left out. */
export function readList<T>(
  field: Field,
  { min, max, read }: { min: number; max: number; read: FieldReader<T> },
): readonly T[] | undefined {
  const { value, path, report } = field;
  if (!Array.isArray(value)) return wanted(field, "a list");
  if (value.length > max) {
    return reportNothing(report, path, `has ${value.length} entries: at most ${max} are allowed`);
  }
  if (value.length < min) {
    return reportNothing(report, path, `must have at least ${min === 1 ? "one entry" : min}`);
  }
  const entries = Array.from(value, (entry: unknown, at) =>
    read({ value: entry, path: [...path, at], report }),
  );
  return entries.filter((entry) => entry !== undefined);
}

/** An object whose keys are names from outside, as a Map. `checkName` says what is wrong with a key, if anything. */
export function readNameMap<T>(
  field: Field,
  options: { max: number; checkName: (name: string) => string | undefined; read: FieldReader<T> },
): ReadonlyMap<string, T> | undefined {
  const object = readPlainObject(field);
  if (object === undefined) return undefined;
  const { path, report } = field;
  const names = Object.keys(object);
  if (names.length > options.max) {
    const message = `has ${names.length} entries: at most ${options.max} are allowed`;
    return reportNothing(report, path, message);
  }
  const entries = new Map<string, T>();
  for (const name of names) {
    const fault = options.checkName(name);
    if (fault !== undefined) report([...path, name], `the name ${quoted(name)} ${fault}`);
    const value = options.read({ value: ownValue(object, name), path: [...path, name], report });
    if (value !== undefined && fault === undefined) entries.set(name, value);
  }
  return entries;
}
