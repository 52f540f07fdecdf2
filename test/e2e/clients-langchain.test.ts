// LangChain's OpenAI classes in their plain form, through the real Envoy in each mode.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { clientsFolder, skip } from "../support/client-packages.ts";
import {
  alias,
  forbidden,
  forbiddenMessage,
  lastRan,
  modes,
  startClientStack,
} from "../support/client-stack.ts";
import { loadClient } from "../support/get-clients.ts";
import { alice, type Stack, target } from "../support/start-stack.ts";

type Message = {
  readonly content: unknown;
  readonly response_metadata: { readonly model_name?: string; readonly model?: string };
};
type Chat = {
  invoke(prompt: string): Promise<Message>;
  stream(prompt: string): Promise<AsyncIterable<Message>>;
};
type Embeddings = {
  embedQuery(text: string): Promise<readonly number[]>;
  embedDocuments(texts: readonly string[]): Promise<readonly (readonly number[])[]>;
};
type ClientOptions = {
  readonly apiKey: string;
  readonly model: string;
  readonly maxRetries: number;
  readonly useResponsesApi?: boolean;
  readonly configuration: { readonly baseURL: string };
};
type AzureOptions = {
  readonly azureOpenAIApiKey: string;
  readonly azureOpenAIApiDeploymentName: string;
  readonly azureOpenAIApiVersion: string;
  readonly azureOpenAIEndpoint?: string;
  readonly azureOpenAIBasePath?: string;
  readonly model?: string;
  readonly maxRetries: number;
};

/** What we use of @langchain/openai. */
type Langchain = {
  readonly ChatOpenAI: new (options: ClientOptions) => Chat;
  readonly OpenAIEmbeddings: new (options: ClientOptions) => Embeddings;
  readonly AzureChatOpenAI: new (options: AzureOptions) => Chat;
  readonly AzureOpenAIEmbeddings: new (options: AzureOptions) => Embeddings;
};

const { ChatOpenAI, OpenAIEmbeddings, AzureChatOpenAI, AzureOpenAIEmbeddings } = (
  skip === false ? await loadClient(clientsFolder, "@langchain/openai") : {}
) as Langchain;

for (const mode of modes) {
  describe(`LangChain over ${mode}`, { skip }, () => {
    let stack: Stack;
    before(async () => {
      stack = await startClientStack(mode);
    });
    after(() => stack.stop());

    function options(model: string): ClientOptions {
      const baseURL = `http://127.0.0.1:${stack.envoy.port}/v1`;
      return { apiKey: alice.value, model, maxRetries: 0, configuration: { baseURL } };
    }

    function azureOptions(deployment: string): AzureOptions {
      return {
        azureOpenAIApiKey: alice.value,
        azureOpenAIApiDeploymentName: deployment,
        azureOpenAIApiVersion: "2025-04-01-preview",
        azureOpenAIEndpoint: `http://127.0.0.1:${stack.envoy.port}`,
        maxRetries: 0,
      };
    }

    async function assertChats(chat: Chat): Promise<void> {
      const before = stack.backend.ran.length;
      assert.equal(textOf(await chat.invoke("Say hi")), `This is ${target}.`);
      let text = "";
      for await (const chunk of await chat.stream("Say hi")) text += textOf(chunk);
      assert.equal(text, `This is ${target}.`);
      assert.deepEqual(stack.backend.ran.slice(before), [target, target]);
    }

    async function assertForbidden(asked: Promise<unknown>): Promise<void> {
      const before = stack.backend.received.length;
      const wanted = { status: 403, code: "model_forbidden", message: forbiddenMessage };
      await assert.rejects(asked, wanted);
      assert.equal(stack.backend.received.length, before);
    }

    it("chats as ChatOpenAI", async () => {
      await assertChats(new ChatOpenAI(options(alias)));
      await assertForbidden(new ChatOpenAI(options(forbidden)).invoke("Say hi"));
    });

    it("chats as ChatOpenAI over the Responses API", async () => {
      await assertChats(new ChatOpenAI({ ...options(alias), useResponsesApi: true }));
      const other = new ChatOpenAI({ ...options(forbidden), useResponsesApi: true });
      await assertForbidden(other.invoke("Say hi"));
    });

    it("embeds as OpenAIEmbeddings", async () => {
      const embeddings = new OpenAIEmbeddings(options(alias));
      assert.deepEqual(await embeddings.embedQuery("a"), [0, 1]);
      assert.equal((await embeddings.embedDocuments(["a", "b"])).length, 2);
      assert.equal(lastRan(stack), target);
      await assertForbidden(new OpenAIEmbeddings(options(forbidden)).embedQuery("a"));
    });

    it("chats and embeds as its Azure classes, whose body names another model", async () => {
      await assertChats(new AzureChatOpenAI(azureOptions(alias)));
      await assertChats(new AzureChatOpenAI({ ...azureOptions(alias), model: "gpt-4o" }));
      assert.match(stack.last().path, /^\/openai\/deployments\/openrouter%2Fqwen%2F/);
      // This class knows no azureOpenAIEndpoint.
      const azureOpenAIBasePath = `http://127.0.0.1:${stack.envoy.port}/openai/deployments`;
      const embeddings = new AzureOpenAIEmbeddings({ ...azureOptions(alias), azureOpenAIBasePath });
      assert.deepEqual(await embeddings.embedQuery("a"), [0, 1]);
      assert.equal(lastRan(stack), target);
      await assertForbidden(new AzureChatOpenAI(azureOptions(forbidden)).invoke("Say hi"));
    });
  });
}

/** Text as a string, or as the text parts of a list. */
function textOf({ content }: Message): string {
  if (!Array.isArray(content)) return String(content);
  return content
    .map((part: unknown) =>
      typeof part === "object" && part !== null && "text" in part ? String(part.text) : "",
    )
    .join("");
}
