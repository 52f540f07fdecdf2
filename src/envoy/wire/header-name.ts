// Names of headers from their bytes. The same few come with every request, so their strings are kept.

/** Names that are kept, one for each value of a hash; another of the same value takes its place. */
const slots = 1024;
const lengthMax = 40;

const kept: string[] = new Array(slots).fill("");

/** Text of UTF-8 bytes, as `toString` gives it. */
export function headerName(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length > lengthMax) return bytes.toString("utf8", start, end);
  let hash = length;
  for (let at = start; at < end; at += 1) hash = (Math.imul(hash, 31) + (bytes[at] ?? 0)) | 0;
  const slot = hash & (slots - 1);
  const name = kept[slot] ?? "";
  if (name.length === length && isSame(name, bytes, start)) return name;
  const text = bytes.toString("utf8", start, end);
  // Other characters than ASCII never compare as the same.
  kept[slot] = text;
  return text;
}

function isSame(name: string, bytes: Buffer, start: number): boolean {
  for (let at = 0; at < name.length; at += 1) {
    const unit = name.charCodeAt(at);
    if (unit > 127 || unit !== bytes[start + at]) return false;
  }
  return true;
}
