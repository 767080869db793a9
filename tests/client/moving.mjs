// One conversation, with the official JavaScript SDK, that asks another model in each round of a loop of tools.
// Usage: node moving.mjs BASE_URL CLIENT_DIR THINKING MODEL…; prints one line: `[{model, content, stop} or {model, raised}]`.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [baseURL, clients, thinking, ...models] = process.argv.slice(2);
const require = createRequire(clients + "/");
const { default: Anthropic } = await import(pathToFileURL(require.resolve("@anthropic-ai/sdk")));
const client = new Anthropic({ baseURL, apiKey: "what-the-client-has", maxRetries: 0 });

const tools = [{
  name: "note",
  description: "Takes a note.",
  input_schema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
}];
const messages = [{ role: "user", content: "begin" }];
const rounds = [];
for (const [at, model] of models.entries()) {
  const body = { model, max_tokens: 8192, thinking: JSON.parse(thinking), tools, messages };
  try {
    const message = at % 2
      ? await client.messages.create(body)
      : await client.messages.stream(body).finalMessage();
    rounds.push({ model, content: message.content, stop: message.stop_reason });
    messages.push({ role: "assistant", content: message.content });
    const calls = message.content.filter((block) => block.type === "tool_use");
    messages.push({
      role: "user",
      content: calls.length
        ? calls.map(({ id, input }) => ({ type: "tool_result", tool_use_id: id, content: `noted ${input.n}` }))
        : "go on",
    });
  } catch (error) {
    rounds.push({ model, raised: String(error.message) });
    break;
  }
}
console.log(JSON.stringify(rounds));
