// Flags and environment -> texts, and texts -> values: what is wrong with one is said with its name and what was found.

import { parseArgs } from "node:util";
import { isModelHeader } from "./grammar.ts";

export type SettingName = {
  readonly flag: string;
  readonly variable: string;
  readonly default: string;
};

/** What was written, and the flag or variable that it was written in. */
export type SettingText = { readonly name: string; readonly text: string };

export type FlagRules = {
  readonly flags: readonly string[];
  /** Those that may be given several times. */
  readonly lists: ReadonlySet<string>;
  /** Gets a sentence for each thing that is wrong. */
  readonly issues: string[];
};

/** Several values of one list's flag count as one list. */
export function readFlags(
  args: readonly string[],
  { flags, lists, issues }: FlagRules,
): ReadonlyMap<string, string> {
  const options = Object.fromEntries(
    flags.map((flag) => [flag, { type: "string", multiple: true } as const]),
  );
  const given = new Map<string, string>();
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  let isUnknown = false;
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") {
      // The value of an unknown flag is not repeated: it may be a secret.
      if (!isUnknown) issues.push(`there is no argument ${JSON.stringify(token.value)}`);
      isUnknown = false;
      continue;
    }
    const { name, rawName, value, inlineValue } = token;
    const before = given.get(name);
    isUnknown = !Object.hasOwn(options, name);
    if (isUnknown) issues.push(`there is no flag ${rawName}`);
    else if (value === undefined || (inlineValue === false && value.startsWith("--"))) {
      issues.push(`${rawName} needs a value: found ${value ?? "nothing"}`);
    } else if (before === undefined) given.set(name, value);
    else if (lists.has(name)) given.set(name, `${before},${value}`);
    else issues.push(`${rawName} can be given only once: found also ${JSON.stringify(value)}`);
  }
  return given;
}

/** Where a value comes from decides what an issue about it is called. */
export function readSetting(
  { flag, variable, default: fallback }: SettingName,
  given: ReadonlyMap<string, string>,
  env: Readonly<Record<string, string | undefined>>,
): SettingText {
  const fromFlag = given.get(flag);
  if (fromFlag !== undefined) return { name: `--${flag}`, text: fromFlag };
  const fromEnv = env[variable];
  if (fromEnv !== undefined) return { name: variable, text: fromEnv };
  return { name: `--${flag}`, text: fallback };
}

export type SettingReader = ReturnType<typeof createSettingReader>;
export type TextTest = (text: string) => boolean;

export function matches(pattern: RegExp): TextTest {
  return (text) => pattern.test(text);
}

export function createSettingReader(issues: string[]) {
  const wrong = ({ name, text }: SettingText, wanted: string): void => {
    issues.push(`${name} must be ${wanted}: current value is ${JSON.stringify(text)}`);
  };
  const list = (given: SettingText, test: TextTest, wanted: string): readonly string[] => {
    const parts = given.text.split(",").map((part) => part.trim());
    if (!parts.every(test)) wrong(given, wanted);
    return parts;
  };
  return {
    wrong,
    list,
    optional: (given: SettingText, test: TextTest, wanted: string): readonly string[] =>
      given.text === "" ? [] : list(given, test, wanted),
    one(given: SettingText, test: TextTest, wanted: string): string {
      if (!test(given.text)) wrong(given, wanted);
      return given.text;
    },
    choice<Choice extends string>(
      given: SettingText,
      choices: readonly [Choice, ...Choice[]],
    ): Choice {
      const chosen = choices.find((choice) => choice === given.text);
      if (chosen === undefined) wrong(given, `one of ${choices.join(", ")}`);
      return chosen ?? choices[0];
    },
    number(
      given: SettingText,
      { min, max, whole = true }: { min: number; max: number; whole?: boolean },
    ): number {
      const value = /^[0-9]+(\.[0-9]+)?$/.test(given.text) ? Number(given.text) : Number.NaN;
      if (!(value >= min && value <= max) || (whole && !Number.isInteger(value))) {
        wrong(given, `${whole ? "a whole number" : "a number"} from ${min} to ${max}`);
      }
      return value;
    },
  };
}

/** NAMESPACE/NAME of a ConfigMap. */
export function readConfigMap(
  given: SettingText,
  reader: SettingReader,
): { readonly namespace: string; readonly name: string } {
  const isName = matches(
    /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\/[a-z0-9]([-.a-z0-9]{0,240}[a-z0-9])?$/,
  );
  const [namespace = "", name = ""] = reader.one(given, isName, "NAMESPACE/NAME").split("/");
  return { namespace, name };
}

/** Names of headers, no two alike. */
export function readModelHeaders(given: SettingText, reader: SettingReader): readonly string[] {
  const names = reader.list(given, isModelHeader, "a lower-case header name that is free for it");
  if (new Set(names).size < names.length) reader.wrong(given, "names that differ");
  return names;
}

/** Names that Kubernetes gives to containers for a Service called aliasguard are no misspellings. */
export function unknownVariables(
  env: Readonly<Record<string, string | undefined>>,
  known: ReadonlySet<string>,
): readonly string[] {
  const ofKubernetes =
    /_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_[A-Z]+(_[A-Z]+)?)?)$/;
  return Object.keys(env)
    .filter((name) => name.startsWith("ALIASGUARD_") && !known.has(name))
    .filter((name) => !ofKubernetes.test(name))
    .sort();
}
