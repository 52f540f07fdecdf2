// Which operations a backend answers with the name of the model that ran: those alone are worth the reading. The vendors'
// references and the types of their clients say so; servers that add the name elsewhere add it for nobody to read.

/** By the name of the operation, and so in every dialect that has it. */
const namingOperations: ReadonlySet<string> = new Set([
  "chat.completions",
  "completions",
  "embeddings",
  "responses",
  "moderations",
  "rerank",
  "fim.completions",
  "ocr",
  "messages",
  "gemini.generateContent",
  "gemini.streamGenerateContent",
  "ollama.chat",
  "ollama.generate",
  "ollama.embed",
]);

/** Whether a response of this operation can name a model. Counts, images, audio and Cohere's own shapes name none. */
export function canNameModel(operation: string): boolean {
  return namingOperations.has(operation);
}
