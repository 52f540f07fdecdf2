// What the hunt tries: every harvested name in every place with every kind of value that could mean something, alone and in
// pairs, in an order that a seed decides: the names that say that they choose something first.

import { fieldRows } from "../../src/core/body/fields.ts";
import { injectedValue, markerText } from "./provider-stub.ts";
import { callable, ungranted, type World } from "./world.ts";

export type Where = "top" | "metadata" | "metadata text" | "form" | "header" | "tool";

export type Extra = { readonly name: string; readonly where: Where; readonly value: unknown };

export type Attempt = {
  readonly model: string;
  readonly path: string;
  readonly extras: readonly Extra[];
};

export type Names = { readonly fields: readonly string[]; readonly headers: readonly string[] };

/** mulberry32: the same numbers for the same seed, everywhere. */
export function createRandom(text: string): () => number {
  let state = 0;
  for (const char of text) state = (Math.imul(state, 31) + char.charCodeAt(0)) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Values of every kind that could mean something; `url`: the host at the provider that nobody was granted. */
export function valuesOf(url: string): readonly unknown[] {
  const { model, upstreamModel, prompt, tag, credential, alias, autoRouter, deployment } =
    ungranted;
  const account = { model, api_base: url, api_key: "sk-gold" };
  const headers = { "x-injected": injectedValue, authorization: "Bearer sk-gold" };
  return [
    model,
    prompt,
    tag,
    credential,
    url,
    true,
    0.01,
    [model],
    [tag],
    { model },
    account,
    [{ model: `openai/${upstreamModel}`, api_base: url, api_key: "sk-gold" }],
    [{ cheap: [model], tagged: [model], bare: [model] }],
    { cheap: model, tagged: model, bare: model, "wild/cheap": model },
    { custom_llm_provider: "openai", extra_headers: headers },
    headers,
    { tags: [tag], prompt_id: prompt, model },
    { "x-litellm-tags": tag },
    `openai/${upstreamModel}`,
    alias,
    autoRouter,
    deployment,
    "openai",
    "sk-gold",
    { id: prompt, version: "1" },
    1,
    "",
    { type: "router", models: [model] },
  ];
}

const telling =
  /model|prompt|credential|tag|fallback|mock|timeout|rout|deploy|base|url|host|provider|account|key|endpoint|header|alias|org|project|config|param|engine|agent|group|preset|region/i;

const places: readonly Where[] = ["top", "metadata", "metadata text", "form", "tool"];

/** First each telling name alone at the top and with the likeliest values, then all names, places, values and pairs. */
export function* attemptsOf(
  world: World,
  names: Names,
  url: string,
  seed: string,
): Generator<Attempt> {
  const random = createRandom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const values = valuesOf(url);
  const listed = fieldRows.filter(({ place }) => place === "top").map(({ name }) => name);
  const all = [...new Set([...names.fields, ...listed.filter((name) => !name.includes("*"))])];
  const hot = shuffle(
    all.filter((name) => telling.test(name)),
    random,
  );
  const { paths, formPath } = world;
  const models = callable(world);
  const dress = (wanted: readonly Extra[]): Attempt => {
    const extras = formPath === undefined ? wanted.map(outOfForm) : wanted;
    const isForm = extras.some(({ where }) => where === "form");
    const other = random() < 0.6 ? "/v1/chat/completions" : pick(paths);
    const path = isForm ? (formPath ?? other) : other;
    return { model: pick(models), path, extras };
  };
  for (const model of models) {
    for (const path of [...paths, ...(formPath === undefined ? [] : [formPath])])
      yield { model, path, extras: [] };
  }
  const first = proven.flatMap((extras) => models.map((model) => ({ model, extras })));
  for (const { model, extras } of first) {
    yield { model, path: "/v1/chat/completions", extras };
  }
  for (const name of hot) yield dress([{ name, where: "top", value: pick(values) }]);
  for (const name of shuffle(names.headers, random)) {
    yield dress([{ name, where: "header", value: pick(values) }]);
  }
  for (;;) {
    const one = (): Extra => {
      if (random() < 0.15)
        return { name: pick(names.headers), where: "header", value: pick(values) };
      const name = pick(random() < 0.7 ? hot : all);
      return { name, where: random() < 0.5 ? "top" : pick(places), value: pick(values) };
    };
    yield dress(random() < 0.6 ? [one()] : pairOf(one));
  }
}

function outOfForm(extra: Extra): Extra {
  return extra.where === "form" ? { ...extra, where: "top" } : extra;
}

/** Two extras; a form takes no JSON beside it. */
function pairOf(one: () => Extra): readonly Extra[] {
  const first = one();
  const second = one();
  if (first.where === second.where && first.name === second.name) return [first];
  const isForm = [first, second].some(({ where }) => where === "form");
  const toForm = (extra: Extra): Extra =>
    isForm && extra.where !== "header" ? { ...extra, where: "form" } : extra;
  return [toForm(first), toForm(second)];
}

/** What once ran something that was not granted, in reports of our own and of others. */
const proven: readonly (readonly Extra[])[] = [
  [{ name: "prompt_id", where: "top", value: ungranted.prompt }],
  [{ name: "tags", where: "top", value: [ungranted.tag] }],
  [{ name: "tags", where: "metadata", value: [ungranted.tag] }],
  [{ name: "tags", where: "metadata text", value: [ungranted.tag] }],
  [{ name: "litellm_credential_name", where: "top", value: ungranted.credential }],
  [
    {
      name: "provider_specific_header",
      where: "top",
      value: { custom_llm_provider: "openai", extra_headers: { "x-injected": injectedValue } },
    },
  ],
  [{ name: "x-litellm-tags", where: "header", value: ungranted.tag }],
];

function shuffle<T>(list: readonly T[], random: () => number): readonly T[] {
  return list
    .map((value) => ({ value, order: random() }))
    .sort((left, right) => left.order - right.order)
    .map(({ value }) => value);
}

export type Dressed = {
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
};

/** The request of an attempt; its text holds the marker. */
export function dressed({ model, path, extras }: Attempt, index: number): Dressed {
  const headers = extras
    .filter(({ where }) => where === "header")
    .map(({ name, value }) => [name, headerText(value)] as const);
  if (extras.some(({ where }) => where === "form") || path.includes("/audio/"))
    return { path, ...formOf(model, extras, index, headers) };
  const body: Record<string, unknown> = { model, ...contentOf(path, index) };
  for (const { name, where, value } of extras) {
    if (where === "top") body[name] = value;
    if (where === "metadata") body["metadata"] = { ...objectOf(body["metadata"]), [name]: value };
    if (where === "metadata text") body["metadata"] = JSON.stringify({ [name]: value });
    if (where === "tool") {
      body["tools"] = [
        { type: "openrouter:advisor", parameters: { [name]: value }, [name]: value },
      ];
    }
  }
  const type = ["content-type", "application/json"] as const;
  return { path, headers: [type, ...headers], body: JSON.stringify(body) };
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function contentOf(path: string, index: number): Record<string, unknown> {
  const text = markerText(index);
  if (path.endsWith("/embeddings") || path.endsWith("/responses")) return { input: text };
  if (path.endsWith("/v1/completions") || path.endsWith("/generate")) return { prompt: text };
  if (path.endsWith("/embed")) return { input: text };
  const messages = [{ role: "user", content: text }];
  return path.endsWith("/messages") ? { messages, max_tokens: 5 } : { messages };
}

function headerText(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text === "" ? "x" : text;
}

function formOf(
  model: string,
  extras: readonly Extra[],
  index: number,
  headers: readonly (readonly [string, string])[],
): Omit<Dressed, "path"> {
  const boundary = "huntboundary";
  const part = (head: string, text: string): string =>
    `--${boundary}\r\ncontent-disposition: form-data; ${head}\r\n\r\n${text}\r\n`;
  const texts = extras
    .filter(({ where }) => where !== "header")
    .map(({ name, value }) => part(`name="${name}"`, headerText(value)));
  const body = [
    part('name="model"', model),
    part('name="prompt"', markerText(index)),
    ...texts,
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n`,
    `content-type: audio/wav\r\n\r\nRIFF\r\n--${boundary}--\r\n`,
  ].join("");
  const type = ["content-type", `multipart/form-data; boundary=${boundary}`] as const;
  return { headers: [type, ...headers], body };
}
