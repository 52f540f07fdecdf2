// The settings of TLS between Envoy and the authorizer, which make sense only together.

import type { SettingReader, SettingText } from "./input.ts";
import { row } from "./row.ts";

export const tlsRows = [
  row(
    "tls-cert",
    "",
    "PEM file of the certificate shown to Envoy on TCP addresses, chain included; read anew when it changes.",
  ),
  row("tls-key", "", "PEM file of its key."),
  row("tls-client-ca", "", "PEM file of the authorities that a client's certificate must be from."),
  row(
    "tls-client-names",
    "",
    "DNS names and URIs, with commas: a client's certificate must hold one as subjectAltName.",
  ),
  row("tls-min-version", "1.2", "Lowest TLS version: 1.2 or 1.3."),
] as const;

/** What is known of TLS before any file is read; undefined where no certificate is named. */
export type TlsSettings = {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string | undefined;
  readonly clientNames: readonly string[];
  readonly minVersion: "1.2" | "1.3";
};

type TlsFlag = (typeof tlsRows)[number]["flag"];

/** A half of what belongs together is an issue: nobody should believe that clients are checked when they are not. */
export function readTls(
  read: (flag: TlsFlag) => SettingText,
  reader: SettingReader,
  issues: string[],
): TlsSettings | undefined {
  const [cert, key, clientCa] = [read("tls-cert"), read("tls-key"), read("tls-client-ca")];
  const names = read("tls-client-names");
  const clientNames = reader.optional(names, isClientName, "DNS names and URIs");
  const minVersion = reader.choice(read("tls-min-version"), ["1.2", "1.3"] as const);
  const needs = (given: SettingText, needed: SettingText): void => {
    if (given.text !== "" && needed.text === "") issues.push(`${given.name} needs ${needed.name}`);
  };
  needs(cert, key);
  needs(key, cert);
  needs(clientCa, cert);
  needs(names, clientCa);
  if (cert.text === "") return undefined;
  const ca = clientCa.text === "" ? undefined : clientCa.text;
  return { cert: cert.text, key: key.text, clientCa: ca, clientNames, minVersion };
}

/** No pattern: what is written is compared as it is. */
function isClientName(name: string): boolean {
  return /^[\x21-\x7e]{1,2048}$/.test(name) && !/["*]/.test(name);
}
