// What a setting is in the closed lists of them.

export type SettingRow = {
  readonly flag: string;
  /** The environment variable: ALIASGUARD_ and the flag in capitals. A flag wins over it. */
  readonly variable: string;
  readonly default: string;
  readonly help: string;
};

export const row = <Flag extends string>(
  flag: Flag,
  fallback: string,
  help: string,
): SettingRow & { readonly flag: Flag } => ({
  flag,
  variable: `ALIASGUARD_${flag.toUpperCase().replaceAll("-", "_")}`,
  default: fallback,
  help,
});
