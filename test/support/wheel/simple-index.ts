// The files that a Python package index has of a project: PEP 691 (JSON) or PEP 503 (HTML), each with its sha256.

import type { Downloader } from "./download.ts";

export type IndexFile = {
  readonly name: string;
  readonly url: URL;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly bytes: number | undefined;
};

const accept = [
  "application/vnd.pypi.simple.v1+json",
  "application/vnd.pypi.simple.v1+html;q=0.2",
  "text/html;q=0.1",
].join(", ");

const pageBytesMax = 16 * 1024 * 1024;

/** Files without a published sha256 are left out: what they hold cannot be checked. */
export async function indexFiles(
  download: Downloader,
  index: URL,
  project: string,
): Promise<readonly IndexFile[]> {
  const page = new URL(index);
  page.pathname = `${page.pathname.replace(/\/+$/, "")}/${project}/`;
  const { bytes, type, url } = await download({ url: page, accept, bytesMax: pageBytesMax });
  const text = bytes.toString("utf8");
  return /\bjson\b/i.test(type) ? fromJson(JSON.parse(text), url) : fromHtml(text, url);
}

function fromJson(page: unknown, base: URL): readonly IndexFile[] {
  return itemsOf(member(page, "files")).flatMap((file) => {
    const [name, url, bytes] = ["filename", "url", "size"].map((each) => member(file, each));
    const sha256 = member(member(file, "hashes"), "sha256");
    if (typeof name !== "string" || typeof url !== "string" || !isHash(sha256)) return [];
    const size = typeof bytes === "number" ? bytes : undefined;
    return [{ name, url: new URL(url, base), sha256, bytes: size }];
  });
}

function fromHtml(page: string, base: URL): readonly IndexFile[] {
  const links = page.matchAll(/<a\b[^>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')[^>]*>([^<]*)<\/a/gi);
  return [...links].flatMap(([, double, single, text = ""]) => {
    const url = new URL(unescaped(double ?? single ?? ""), base);
    const [, sha256] = /^#sha256=([0-9a-f]{64})$/.exec(url.hash) ?? [];
    if (sha256 === undefined) return [];
    url.hash = "";
    return [{ name: unescaped(text).trim(), url, sha256, bytes: undefined }];
  });
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"' };

function unescaped(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(amp|lt|gt|quot));/gi, (whole, ...found) => {
    const [decimal, hex, name] = found as readonly (string | undefined)[];
    if (name !== undefined) return entities[name.toLowerCase()] ?? whole;
    return String.fromCodePoint(
      decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal),
    );
  });
}

function isHash(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}
