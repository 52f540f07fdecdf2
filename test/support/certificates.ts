// Certificates for tests, written here in DER (X.509 v3, P-256): authorities and what they sign, with names and a life as
// wanted. openssl's command cannot set an end in the past before 3.4, and is not everywhere.

import {
  createPrivateKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type CertificateFiles = { readonly cert: string; readonly key: string };

export type Wanted = {
  readonly name: string;
  /** Alternative names: DNS names, URIs (with `://`) and IPv4 addresses. */
  readonly names?: readonly string[];
  /** Who signs it; itself: an authority. */
  readonly by?: CertificateFiles;
  /** Whether it may sign others. Default: when nobody signs it. */
  readonly isAuthority?: boolean;
  /** Milliseconds from now to its end, negative when that has passed; it begins 30 days before now. */
  readonly lifeMs?: number;
  /** Milliseconds from now to its beginning. */
  readonly fromMs?: number;
};

const dayMs = 86_400_000;

/** Writes NAME.crt (followed by its signer where that is not a root) and NAME.key into `folder`. */
export function makeCertificate(folder: string, wanted: Wanted): CertificateFiles {
  const { name, by, lifeMs = 2 * dayMs, fromMs = -30 * dayMs } = wanted;
  const { names = ["127.0.0.1"], isAuthority = by === undefined } = wanted;
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signer = by === undefined ? privateKey : createPrivateKey(readFileSync(by.key));
  const issuer = by === undefined ? name : commonName(by);
  const now = Date.now();
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    nameOf(issuer),
    sequence(time(now + fromMs), time(now + lifeMs)),
    nameOf(name),
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, sequence(basicConstraints(isAuthority), alternativeNames(names))),
  );
  const signature = sign("sha256", body, signer);
  const der = sequence(body, ecdsaWithSha256, tagged(3, Buffer.from([0]), signature));
  const files = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  writeFileSync(files.cert, new X509Certificate(der).toString());
  writeFileSync(files.key, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  return files;
}

function commonName({ cert }: CertificateFiles): string {
  return /^CN=(.*)$/m.exec(new X509Certificate(readFileSync(cert)).subject)?.[1] ?? "";
}

function tagged(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tagged(0x30, ...parts);
}

function integer(bytes: Uint8Array): Buffer {
  return tagged(2, bytes);
}

function identifier(hex: string): Buffer {
  return tagged(6, Buffer.from(hex, "hex"));
}

const ecdsaWithSha256 = sequence(identifier("2a8648ce3d040302"));

function nameOf(name: string): Buffer {
  return sequence(tagged(0x31, sequence(identifier("550403"), tagged(0x0c, Buffer.from(name)))));
}

/** UTCTime, to the second. */
function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]/g, "").slice(2, 14);
  return tagged(0x17, Buffer.from(`${text}Z`));
}

function extension(hex: string, isCritical: boolean, content: Buffer): Buffer {
  const critical = isCritical ? [tagged(1, Buffer.from([0xff]))] : [];
  return sequence(identifier(hex), ...critical, tagged(4, content));
}

function basicConstraints(isAuthority: boolean): Buffer {
  return extension(
    "551d13",
    true,
    sequence(...(isAuthority ? [tagged(1, Buffer.from([0xff]))] : [])),
  );
}

function alternativeNames(names: readonly string[]): Buffer {
  const each = names.map((name) => {
    if (/^\d+\.\d+\.\d+\.\d+$/.test(name))
      return tagged(0x87, Buffer.from(name.split(".").map(Number)));
    return tagged(name.includes("://") ? 0x86 : 0x82, Buffer.from(name, "latin1"));
  });
  return extension("551d11", false, sequence(...each));
}
