// One file out of a zip archive in memory, by its central directory, checked by its length and CRC. The archive's hash has
// been checked before; what a zip can be beyond a wheel (encrypted, split, zip64) is refused.

import { crc32, inflateRawSync } from "node:zlib";

const endSignature = 0x06054b50;
const entrySignature = 0x02014b50;
const localSignature = 0x04034b50;
const endLength = 22;
/** The longest comment that may follow the end record. */
const commentMax = 0xffff;

/** The bytes of `name`, at most `bytesMax`. Throws when the archive does not hold it or is not what it should be. */
export function zipEntry(archive: Buffer, name: string, bytesMax: number): Buffer {
  const { count, start } = directory(archive);
  let at = start;
  for (let index = 0; index < count; index += 1) {
    if (archive.readUInt32LE(at) !== entrySignature)
      throw new Error("no entry where one should be");
    const nameLength = archive.readUInt16LE(at + 28);
    const found = archive.toString("utf8", at + 46, at + 46 + nameLength);
    if (found === name) return content(archive, at, bytesMax);
    at += 46 + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  throw new Error(`the archive has no ${name}`);
}

function directory(archive: Buffer): { readonly count: number; readonly start: number } {
  const last = archive.length - endLength;
  for (let at = last; at >= Math.max(0, last - commentMax); at -= 1) {
    if (archive.readUInt32LE(at) !== endSignature) continue;
    return { count: archive.readUInt16LE(at + 10), start: archive.readUInt32LE(at + 16) };
  }
  throw new Error("this is no zip archive");
}

function content(archive: Buffer, at: number, bytesMax: number): Buffer {
  const [flags, method] = [archive.readUInt16LE(at + 8), archive.readUInt16LE(at + 10)];
  const [packed, size] = [archive.readUInt32LE(at + 20), archive.readUInt32LE(at + 24)];
  const local = archive.readUInt32LE(at + 42);
  if ((flags & 1) !== 0 || (method !== 0 && method !== 8) || size > bytesMax) {
    throw new Error(
      `the archive's entry cannot be read (flags ${flags}, method ${method}, ${size})`,
    );
  }
  if (archive.readUInt32LE(local) !== localSignature)
    throw new Error("no file where one should be");
  const from = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
  const bytes = archive.subarray(from, from + packed);
  const unpacked = method === 0 ? bytes : inflateRawSync(bytes, { maxOutputLength: bytesMax });
  if (unpacked.length !== size || crc32(unpacked) !== archive.readUInt32LE(at + 16)) {
    throw new Error("the archive's entry is damaged");
  }
  return unpacked;
}
