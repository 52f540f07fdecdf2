// Which model a request names in the eyes of a real backend: Azure's and Google's go by the path, all others by the body,
// a JSON document or a form. Forms are read by Node's own parser, never by the one under test.

/** One request as the backend received it, as far as it matters here. */
export type EchoRequest = {
  /** Without the query. */
  readonly path: string;
  readonly query: string;
  readonly contentType: string;
  readonly body: Buffer;
};

export type Asked = {
  readonly model: string;
  /** A field of the body: any JSON value, or the text of a form's part. */
  readonly field: (name: string) => unknown;
  /** Whether the body says `stream: true`; `fallback` where it says nothing. */
  readonly streams: (fallback?: boolean) => boolean;
  readonly query: URLSearchParams;
};

type Fields = ReadonlyMap<string, unknown>;

/** undefined: there is no model, or the body is none that a backend reads. `pathModel` is still percent-encoded. */
export async function readAsked(
  request: EchoRequest,
  pathModel: string | undefined,
): Promise<Asked | undefined> {
  const fields = await readFields(request);
  if (fields === undefined) return undefined;
  const model = pathModel === undefined ? fields.get("model") : decode(pathModel);
  if (typeof model !== "string" || model === "") return undefined;
  return {
    model,
    field: (name) => fields.get(name),
    streams: (fallback = false) => {
      const value = fields.get("stream");
      return value === undefined ? fallback : value === true || value === "true";
    },
    query: new URLSearchParams(request.query),
  };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

async function readFields({ contentType, body }: EchoRequest): Promise<Fields | undefined> {
  try {
    if (!contentType.toLowerCase().startsWith("multipart/form-data")) return readJson(body);
    const headers = { "content-type": contentType };
    const form = await new Response(new Uint8Array(body), { headers }).formData();
    return new Map(form.entries());
  } catch {
    return undefined;
  }
}

function readJson(body: Buffer): Fields | undefined {
  const value: unknown = JSON.parse(body.toString("utf8"));
  return typeof value === "object" && value !== null ? new Map(Object.entries(value)) : undefined;
}
