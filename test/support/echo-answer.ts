// What the echo backend can send: one document, plain text or bytes, and the streams of each dialect, a piece for each
// event so that clients see them arrive one by one.

export type EchoAnswer = {
  readonly status: number;
  readonly contentType: string;
  readonly pieces: readonly (string | Buffer)[];
};

/** One event of a stream; `name` where the dialect has an `event:` line. */
export type EchoEvent = { readonly name?: string; readonly data: unknown };

export const anthropicUsage = { input_tokens: 1, output_tokens: 1 };
export const openaiUsage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };

/** What every model says: its name, so that a test sees which one ran even where the dialect has no place for it. */
export function said(model: string): string {
  return `This is ${model}.`;
}

/** The same in pieces, as tokens arrive; joined they are the whole. */
export function saidInPieces(model: string): readonly string[] {
  return said(model).split(/(?= )/);
}

export function document(value: unknown, status = 200): EchoAnswer {
  return { status, contentType: "application/json", pieces: [JSON.stringify(value)] };
}

export function plain(content: string | Buffer, contentType: string): EchoAnswer {
  return { status: 200, contentType, pieces: [content] };
}

/** Server-sent events. `lineEnd`: Google's servers write CR LF. */
export function events(list: readonly EchoEvent[], lineEnd: "\n" | "\r\n" = "\n"): EchoAnswer {
  const pieces = list.map(({ name, data }) => {
    const text = typeof data === "string" ? data : JSON.stringify(data);
    const event = name === undefined ? "" : `event: ${name}${lineEnd}`;
    return `${event}data: ${text}${lineEnd}${lineEnd}`;
  });
  return { status: 200, contentType: "text/event-stream", pieces };
}

/** Ollama's streams: one document a line. */
export function lines(list: readonly unknown[]): EchoAnswer {
  const pieces = list.map((value) => `${JSON.stringify(value)}\n`);
  return { status: 200, contentType: "application/x-ndjson", pieces };
}

/** Gemini's streams without `alt=sse`: one array, an element at a time. */
export function growingArray(list: readonly unknown[]): EchoAnswer {
  const pieces = list.map((value, at) => `${at === 0 ? "[" : ",\r\n"}${JSON.stringify(value)}`);
  return { status: 200, contentType: "application/json", pieces: [...pieces, "]"] };
}
