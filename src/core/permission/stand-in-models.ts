// Models that stand for others: names behind which a backend picks any model it likes. A wildcard never grants them, their
// exact name does. One closed table, printed in docs/reference/models.md; it errs on the side of naming too much, which
// costs an operator one exact grant.

export type StandInRow = {
  /** The names, as people write them. */
  readonly names: string;
  /** Who serves them. */
  readonly backend: string;
  /** What is picked behind them. */
  readonly picks: string;
  /**
   * Where it is looked for. `segment`: anywhere between slashes and colons, without the variant behind the last segment.
   * `last`: in the last segment, without its variant. `whole`: in the whole name. Names are compared in lower case.
   */
  readonly in: "segment" | "last" | "whole";
  readonly pattern: RegExp;
};

/** A word between `-`, `_`, `.` and the like. */
const word = (words: string): RegExp => new RegExp(`(?:^|[^a-z0-9])(?:${words})(?:[^a-z0-9]|$)`);
/** The first word. */
const begins = (words: string): RegExp => new RegExp(`^(?:${words})(?:[^a-z0-9]|$)`);

/** Sources: the vendors' documentation and public model lists, read in December 2026. */
export const standInRows: readonly StandInRow[] = [
  {
    names: "openrouter/auto, openrouter/auto-beta, kilo-auto/free, auto, vllm-sr/auto",
    backend: "OpenRouter, Kilo Code, Copilot, vLLM's semantic router and others",
    picks: "a model by the prompt",
    in: "segment",
    pattern: word("auto|autorouter|autoroute"),
  },
  {
    names: "openrouter/NAME, openrouter/openrouter/NAME",
    backend: "OpenRouter, directly or behind another router",
    picks: "what OpenRouter decides: its own names are routers or hide the model",
    in: "whole",
    pattern: /(?:^|[/:])openrouter[/:][^/]*$/,
  },
  {
    names: "fusion, fusion-flash, pareto-code, bodybuilder, free",
    backend: "OpenRouter, behind a prefix of the operator's",
    picks: "one model or several at once",
    in: "last",
    pattern: /^(?:free$|(?:fusion|pareto|bodybuilder)(?:[^a-z0-9]|$))/,
  },
  {
    names: "@preset/NAME, MODEL@preset/NAME",
    backend: "OpenRouter",
    picks: "the models that a stored preset lists",
    in: "whole",
    pattern: /@preset(?:[^a-z0-9]|$)/,
  },
  {
    names: "~VENDOR/MODEL-latest",
    backend: "OpenRouter",
    picks: "whatever model is the newest of its family",
    in: "segment",
    pattern: /^~/,
  },
  {
    names: "all-proxy-models, all-team-models, no-default-models",
    backend: "LiteLLM",
    picks: "these are words of its configuration and no models",
    in: "last",
    pattern: /^(?:all|no)-[a-z]+-models$/,
  },
  {
    names:
      "auto_router/NAME, router, router@..., model-router, model-router-DATE, jev-router, smart_router",
    backend: "LiteLLM, Azure, Martian, Unify, RouteLLM and others",
    picks: "a model by the prompt, the price or the load",
    in: "last",
    pattern: word("routers?|[a-z]+router"),
  },
  {
    names: "auto_router/NAME, .../routers/NAME, .../default-prompt-router/NAME",
    backend: "LiteLLM, Fireworks, Amazon Bedrock",
    picks: "a model by the prompt, the price or the load",
    in: "segment",
    pattern: /(?:^|[^a-z0-9])(?:auto_router|complexity_router|routers|prompt-router)$/,
  },
  {
    names: "arn:aws:bedrock:...",
    backend: "Amazon Bedrock",
    picks: "what an inference profile, a prompt router or a deployment of any account stands for",
    in: "segment",
    pattern: /^arn$/,
  },
  {
    names: "compound, compound-beta, compound-mini, groq/compound",
    backend: "Groq",
    picks: "several models and tools",
    in: "last",
    pattern: begins("compound"),
  },
  {
    names: "dynamic/NAME, policy/NAME",
    backend: "Cloudflare AI Gateway, Requesty",
    picks: "the models of a route or policy that is stored there",
    in: "segment",
    pattern: /^(?:dynamic|policy)$/,
  },
  {
    names: "notdiamond, not-diamond/NAME, nvidia/switchyard, MoM",
    backend: "Not Diamond, NVIDIA, vLLM's semantic router",
    picks: "a model by the prompt",
    in: "segment",
    pattern: /^(?:not-?diamond(?:[^a-z0-9].*)?|switchyard|mom)$/,
  },
];

/** Names without any of these are no stand-ins: it spares most names the table. */
const hint =
  /auto|rout|free|fusion|pareto|bodybuilder|@preset|~|-models|arn:|compound|dynamic|policy|diamond|switchyard|mom/i;
/** In front of a vendor and its model it says nothing, and most names that hold "rout" hold it there. */
const prefix = "openrouter/";

/** The row that `name` is a stand-in by, or undefined. Whatever variant, suffix or prefix it has. */
export function standInOf(name: string): StandInRow | undefined {
  const isPrefixed = name.startsWith(prefix) && name.includes("/", prefix.length);
  if (!hint.test(isPrefixed ? name.slice(prefix.length) : name)) return undefined;
  const lower = name.toLowerCase();
  const segments = lower.split("/").filter((segment) => segment !== "");
  const last = withoutVariant(segments.pop() ?? "");
  const places = [...segments.flatMap((segment) => segment.split(":")), last];
  return standInRows.find(({ in: where, pattern }) => {
    switch (where) {
      case "whole":
        return pattern.test(lower);
      case "last":
        return pattern.test(last);
      case "segment":
        return places.some((place) => pattern.test(place));
      default:
        return where satisfies never;
    }
  });
}

/** A variant (`:nitro`) of a stand-in is one too; the word behind the colon alone makes none (`qwen3:free`). */
function withoutVariant(segment: string): string {
  const colon = segment.indexOf(":");
  return colon < 0 ? segment : segment.slice(0, colon);
}
