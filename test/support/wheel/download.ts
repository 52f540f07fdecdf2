// Bytes from a package index: https alone (http on loopback), redirects followed within that rule, a proxy and certificates
// as asked, everything bounded. Credentials stand in the URL, go to their own origin alone and are never shown.

import { readFileSync } from "node:fs";
import { Agent as HttpAgent, get as httpGet, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, get as httpsGet } from "node:https";
import { getCACertificates } from "node:tls";

/** Milliseconds without a byte after which a download is given up. */
const idleMsMax = 60_000;
const redirectsMax = 5;

export type Wanted = {
  readonly url: URL;
  readonly accept?: string;
  readonly bytesMax: number;
  /** Told after each piece: bytes so far, and of how many where the server says it. */
  readonly onProgress?: (bytes: number, of: number | undefined) => void;
};

export type Fetched = {
  readonly bytes: Buffer;
  readonly type: string;
  /** Where it was found in the end, without a credential. */
  readonly url: URL;
};

export type Downloader = (wanted: Wanted) => Promise<Fetched>;

export type DownloaderOptions = {
  readonly cert: string | undefined;
  readonly proxy: string | undefined;
  /** Origins and the `user:password` that each gets. */
  readonly credentials: ReadonlyMap<string, string>;
};

/** Takes the credential out of an index's URL. */
export function splitCredential(url: URL): { readonly url: URL; readonly credential: string } {
  const credential = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  return { url: bare, credential: credential === ":" ? "" : credential };
}

/** Each call resolves to a whole answer of status 200, or rejects saying why not. */
export function createDownloader({ cert, proxy, credentials }: DownloaderOptions): Downloader {
  const proxyEnv = proxy === undefined ? process.env : { HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
  const own = cert === undefined ? [] : [readFileSync(cert, "utf8")];
  const ca = [...getCACertificates("default"), ...getCACertificates("system"), ...own];
  const agents = { plain: new HttpAgent({ proxyEnv }), secure: new HttpsAgent({ proxyEnv, ca }) };
  const open = (url: URL, accept: string): Promise<IncomingMessage> => {
    const credential = credentials.get(url.origin) ?? "";
    const headers = {
      accept,
      ...(credential === ""
        ? {}
        : { authorization: `Basic ${Buffer.from(credential).toString("base64")}` }),
    };
    return new Promise((resolve, reject) => {
      const request =
        url.protocol === "https:"
          ? httpsGet(url, { headers, agent: agents.secure }, resolve)
          : httpGet(url, { headers, agent: agents.plain }, resolve);
      request.setTimeout(idleMsMax, () => request.destroy(new Error("it went silent")));
      request.on("error", reject);
    });
  };
  return async (wanted) => {
    let url = wanted.url;
    for (let hop = 0; hop <= redirectsMax; hop += 1) {
      refuseOpenTransport(url);
      const answer = await open(url, wanted.accept ?? "*/*");
      const { statusCode = 0, headers } = answer;
      if (statusCode === 200) {
        return { bytes: await read(answer, wanted), type: headers["content-type"] ?? "", url };
      }
      answer.destroy();
      if (statusCode < 300 || statusCode > 399 || headers.location === undefined) {
        throw new Error(`${url.host} answered ${statusCode}`);
      }
      url = splitCredential(new URL(headers.location, url)).url;
    }
    throw new Error(`${url.host} redirects without end`);
  };
}

function refuseOpenTransport({ protocol, hostname, host }: URL): void {
  if (protocol === "https:") return;
  const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
  if (protocol === "http:" && isLoopback) return;
  throw new Error(`${protocol}//${host} is not asked: only https is`);
}

async function read(answer: IncomingMessage, { bytesMax, onProgress }: Wanted): Promise<Buffer> {
  const length = Number(answer.headers["content-length"]);
  const of = Number.isSafeInteger(length) ? length : undefined;
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > bytesMax) throw new Error(`the answer has more than ${bytesMax} bytes`);
    onProgress?.(bytes, of);
  }
  if (of !== undefined && bytes !== of) throw new Error(`the answer ended at ${bytes} of ${of}`);
  return Buffer.concat(pieces);
}
