// A new virtual key: its text, and what of it a manifest holds.

import { hash } from "node:crypto";

/** The entry of a Secret that holds the key. */
export const secretEntryName = "key";

const idLetters = "abcdefghijklmnopqrstuvwxyz234567";

/** `ag_<8 letters and digits>_<32 random bytes as base64url>`: easy for secret scanners to find. */
export function newSecret(random: (bytes: number) => Buffer): string {
  const id = [...random(8)].map((byte) => idLetters[byte % idLetters.length]).join("");
  return `ag_${id}_${random(32).toString("base64url")}`;
}

export function keyHashOf(secret: string): string {
  return `sha256:${hash("sha256", secret, "hex")}`;
}
