// How names are read out of a package: rules, and the packages that they are for.

export type Place = "top" | "metadata" | "form" | "header" | "tool";

/** One reading of some files: `names` is a pattern on the class, function, list or variable that holds the names. */
export type Rule = {
  readonly read: "classes" | "parameters" | "lists" | "lookups" | "setv" | "go" | "declarations";
  readonly files: readonly string[];
  readonly names: string;
  readonly place: Place;
};

export type Backend = {
  readonly backend: string;
  readonly registry: "pypi" | "npm" | "go";
  readonly package: string;
  readonly rules: readonly Rule[];
};

export function rule(read: Rule["read"], place: Place, names: string, ...files: string[]): Rule {
  return { read, place, names, files };
}
