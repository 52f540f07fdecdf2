// The flags by which `check --server` speaks TLS.

import type { ClientTls } from "../../envoy/ext-authz/client.ts";

export type ClientTlsFlags = {
  readonly server?: string | undefined;
  readonly "tls-ca"?: string | undefined;
  readonly "tls-cert"?: string | undefined;
  readonly "tls-key"?: string | undefined;
  readonly "tls-name"?: string | undefined;
};

/** undefined: plain text. A text says what is wrong with the flags. */
export async function readClientTls(
  flags: ClientTlsFlags,
  read: (file: string) => Promise<Buffer | undefined>,
): Promise<ClientTls | string | undefined> {
  const { "tls-ca": ca, "tls-cert": cert, "tls-key": key, "tls-name": serverName } = flags;
  if ([ca, cert, key, serverName].every((each) => each === undefined)) return undefined;
  if (flags.server === undefined) return "the --tls- flags go with --server";
  if (ca === undefined) return "--tls-cert, --tls-key and --tls-name need --tls-ca";
  if ((cert === undefined) !== (key === undefined))
    return "--tls-cert and --tls-key need each other";
  const authorities = await read(ca);
  if (authorities === undefined) return `--tls-ca cannot be read: ${ca}`;
  if (cert === undefined || key === undefined)
    return { ca: authorities, own: undefined, serverName };
  const [certBytes, keyBytes] = [await read(cert), await read(key)];
  if (certBytes === undefined) return `--tls-cert cannot be read: ${cert}`;
  if (keyBytes === undefined) return `--tls-key cannot be read: ${key}`;
  return { ca: authorities, own: { cert: certBytes, key: keyBytes }, serverName };
}
