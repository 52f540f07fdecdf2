// Fields in the first bytes of a protobuf message that is cut anywhere: enough to see in whose words to refuse a check
// that is not read to its end. Never throws.

/** The first length-delimited field of that number, cut where the bytes are; undefined when it is not among them. */
export function firstField(bytes: Uint8Array, wanted: number): Uint8Array | undefined {
  for (const found of fields(bytes, wanted)) return found;
  return undefined;
}

/** Each length-delimited field of that number, in order, until the bytes end or are no message. */
export function* fields(bytes: Uint8Array, wanted: number): Generator<Uint8Array> {
  let at = 0;
  /** NaN when the bytes end first; only compared and added, so that it ends the loop. */
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; scale < 2 ** 63; scale *= 128) {
      const byte = bytes[at++] ?? Number.NaN;
      value += (byte % 128) * scale;
      if (!(byte >= 128)) return value;
    }
    return Number.NaN;
  };
  while (at < bytes.length) {
    const tag = varint();
    const kind = tag % 8;
    if (kind === 0) varint();
    else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else if (kind === 2) {
      const length = varint();
      if (Number.isNaN(length)) return;
      if (Math.floor(tag / 8) === wanted) yield bytes.subarray(at, at + length);
      at += length;
    } else return;
  }
}

export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
