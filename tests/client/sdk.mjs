// The official JavaScript SDK against a gateway: one JSON line per scenario, `{"name": outcome}`.
// Usage: node sdk.mjs BASE_URL CLIENT_DIR
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [baseURL, clients] = process.argv.slice(2);
const require = createRequire(clients + "/");
const { default: Anthropic } = await import(pathToFileURL(require.resolve("@anthropic-ai/sdk")));
const client = new Anthropic({ baseURL, apiKey: "what-the-client-has", maxRetries: 0 });

const ask = (content) => ({
  model: "claude-opus-4-8",
  max_tokens: 256,
  messages: [{ role: "user", content }],
});
const text = (message) => message.content.filter((b) => b.type === "text").map((b) => b.text).join("");

const scenarios = {
  async create() {
    const message = await client.messages.create(ask("plain"));
    return { text: text(message), stop: message.stop_reason, model: message.model, id: message._request_id };
  },
  async stream() {
    const stream = client.messages.stream(ask("plain"));
    let deltas = 0;
    stream.on("text", () => { deltas += 1; });
    const message = await stream.finalMessage();
    return { text: text(message), stop: message.stop_reason, deltas, output: message.usage.output_tokens };
  },
  async tool() {
    const message = await client.messages.stream(ask("tool")).finalMessage();
    const call = message.content.find((b) => b.type === "tool_use");
    return { name: call.name, input: call.input, stop: message.stop_reason };
  },
  async count() {
    return await client.messages.countTokens({ model: "claude-opus-4-8", messages: ask("plain").messages });
  },
  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return ids;
  },
  async model() {
    return (await client.models.retrieve("claude-opus-4-8")).id;
  },
  async batches() {
    let batches = 0;
    for await (const _ of client.messages.batches.list()) batches += 1;
    return batches;
  },
  async cut() {
    return text(await client.messages.stream(ask("cut")).finalMessage());
  },
  async ends_without_stop() {
    return text(await client.messages.stream(ask("unfinished")).finalMessage());
  },
  async error_event() {
    return text(await client.messages.stream(ask("error-event")).finalMessage());
  },
  async error_400() { return await client.messages.create(ask("status 400")); },
  async error_403() { return await client.messages.create(ask("status 403")); },
  async error_404() { return await client.messages.create(ask("status 404")); },
  async error_413() { return await client.messages.create(ask("status 413")); },
  async error_429() { return await client.messages.create(ask("status 429")); },
  async error_500() { return await client.messages.create(ask("status 500")); },
  async error_529() { return await client.messages.create(ask("status 529")); },
  async html() { return await client.messages.create(ask("html")); },
};

const outcomes = {};
for (const [name, scenario] of Object.entries(scenarios)) {
  try {
    outcomes[name] = { ok: await scenario() };
  } catch (error) {
    outcomes[name] = {
      raised: error.constructor.name,
      status: error.status ?? null,
      type: error.type ?? error.error?.error?.type ?? null,
      message: String(error.message),
      request_id: error.requestID ?? null,
    };
  }
}
console.log(JSON.stringify(outcomes));
