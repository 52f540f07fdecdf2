// A plain request for each line of src/core/http/operations.ts that a backend answers, naming one model where that operation
// names it.

import { defaultDecisionSettings } from "../../src/core/decision-settings.ts";
import { bodyOperations, pathOperations, type Row } from "../../src/core/http/operations.ts";
import { toPrefix } from "../../src/core/http/routes.ts";

export type OperationRequest = {
  readonly row: Row;
  /** In the words of the operation list: `POST /v1/chat/completions`. */
  readonly title: string;
  /** The target, `model` percent-encoded in it. */
  readonly path: (model: string) => string;
  /** What a backend that can choose gets in its place, `model` being what it runs. */
  readonly backendPath: (model: string) => string;
  readonly contentType: string;
  readonly body: (model: string) => Buffer;
};

const boundary = "----operation-requests-7MA4YWxkTrZu0gW";

/** `prefix`: of the OpenAI and Anthropic paths. */
export function operationRequests(prefix: string): readonly OperationRequest[] {
  return [...bodyOperations, ...pathOperations].map((row) => {
    const template = withSegments((row.exact === true ? "" : prefix) + row.path, row);
    const canonical = row.exact === true ? "" : (canonicals.get(prefix) ?? prefix);
    const backend = row.routerPath ?? withSegments(canonical + (row.backendPath ?? row.path), row);
    const filled = (text: string, model: string): string =>
      text.replace("{model}", encodeURIComponent(model)) + queryOf(row, template);
    const isForm = row.body === "form";
    return {
      row,
      title: `POST ${template}`,
      path: (model) => filled(template, model),
      backendPath: (model) => filled(backend, model),
      contentType: isForm ? `multipart/form-data; boundary=${boundary}` : "application/json",
      body: (model) => Buffer.from(isForm ? formBody(model) : jsonBody(row, model)),
    };
  });
}

const canonicals: ReadonlyMap<string, string> = new Map(
  defaultDecisionSettings.pathPrefixes.map(toPrefix).map((each) => [each.prefix, each.canonical]),
);

/** Everything variable but the model. */
function withSegments(path: string, { dialect }: Row): string {
  return path
    .replace("{project}", "my-project-1")
    .replace("{location}", "us-east5")
    .replace("{publisher}", dialect === "openai" ? "mistralai" : "google");
}

function queryOf(row: Row, template: string): string {
  if (row.dialect === "azure") return "?api-version=2025-04-01-preview";
  return template.endsWith(":streamGenerateContent") ? "?alt=sse" : "";
}

/** Gemini's name no model in their body but in the requests of a batch. */
function jsonBody(row: Row, model: string): string {
  const parts = [{ text: "hi" }];
  if (row.name === "gemini.batchEmbedContents") {
    return JSON.stringify({ requests: [{ model: `models/${model}`, content: { parts } }] });
  }
  if (row.dialect === "gemini") return JSON.stringify({ contents: [{ parts }] });
  const messages = [{ role: "user", content: "hi" }];
  // Anthropic's API has no `input`: an unknown field is refused.
  return JSON.stringify(
    row.dialect === "anthropic" ? { model, messages } : { model, input: "hi", messages },
  );
}

function formBody(model: string): string {
  const file = 'name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF\0\r\n--';
  return [
    `--${boundary}\r\nContent-Disposition: form-data; ${file}`,
    `--${boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\n${model}`,
    `--${boundary}--\r\n`,
  ].join("\r\n");
}
