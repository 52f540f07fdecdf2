// A Python package index on loopback that has one wheel, written here: what pip and we would be told and given.

import { createHash } from "node:crypto";
import { crc32, deflateRawSync } from "node:zlib";
import { type LoopbackServer, startLoopbackServer } from "../../kubernetes/loopback-server.ts";

export type ZipMember = {
  readonly name: string;
  readonly bytes: Buffer;
  readonly isDeflated?: boolean;
};

/** A zip archive as wheels are. */
export function zipOf(members: readonly ZipMember[]): Buffer {
  const parts: Buffer[] = [];
  const entries: Buffer[] = [];
  let at = 0;
  for (const { name, bytes, isDeflated = true } of members) {
    const packed = isDeflated ? deflateRawSync(bytes, { level: 1 }) : bytes;
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(isDeflated ? 8 : 0, 4);
    shared.writeUInt32LE(crc32(bytes), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(bytes.length, 18);
    shared.writeUInt16LE(Buffer.byteLength(name), 22);
    const entry = Buffer.alloc(14);
    entry.writeUInt32LE(at, 10);
    const local = [Buffer.from("PK\x03\x04"), shared, Buffer.from(name), packed];
    entries.push(Buffer.from("PK\x01\x02\x14\x03"), shared, entry, Buffer.from(name));
    parts.push(...local);
    at += local.reduce((sum, each) => sum + each.length, 0);
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, directory, end]);
}

export type FakeIndex = {
  readonly fileName: string;
  readonly wheel: Buffer;
  readonly kind: "json" | "html";
  /** Published instead of the wheel's own. */
  readonly sha256?: string;
  /** `user:password`, without which everything is 401. */
  readonly credential?: string;
};

/** Answers `/simple/PROJECT/` and `/files/NAME`, the latter by way of a redirect. */
export function startFakeIndex(index: FakeIndex): Promise<LoopbackServer> {
  const { fileName, wheel, kind, credential } = index;
  const sha256 = index.sha256 ?? createHash("sha256").update(wheel).digest("hex");
  const wanted =
    credential === undefined ? undefined : `Basic ${Buffer.from(credential).toString("base64")}`;
  const file = { filename: fileName, url: `/moved/${fileName}`, hashes: { sha256 } };
  const other = { filename: "other-1.whl", url: "/other", hashes: {} };
  const json = JSON.stringify({ files: [other, { ...file, size: wheel.length }] });
  const html = `<!DOCTYPE html><body><a href="/other">other-1.whl</a><br/>
<a data-requires-python="&gt;=3.10" href="/moved/${fileName}#sha256=${sha256}">${fileName}</a>`;
  return startLoopbackServer((request, response) => {
    const { url = "", headers } = request;
    if (wanted !== undefined && headers.authorization !== wanted) response.writeHead(401).end();
    else if (/^\/simple\/[a-z-]+\/$/.test(url)) {
      const type = kind === "json" ? "application/vnd.pypi.simple.v1+json" : "text/html";
      response.setHeader("content-type", type).end(kind === "json" ? json : html);
    } else if (url === `/moved/${fileName}`) {
      response.writeHead(302, { location: `/files/${fileName}` }).end();
    } else if (url === `/files/${fileName}`) response.end(wheel);
    else response.writeHead(404).end();
  });
}
