// A small server of tools, spoken to line by line over stdio: `add`, one that takes nothing, and one whose full name
// (`mcp__demo__…`) is longer than the 64 characters that OpenAI takes.
import { createInterface } from "node:readline";

const tools = [{
  name: "add",
  description: "Adds two numbers.",
  inputSchema: {
    type: "object",
    properties: { a: { type: "number" }, b: { type: "number" } },
    required: ["a", "b"],
  },
}, {
  name: "ping",
  description: "Takes nothing.",
  inputSchema: { type: "object", properties: {} },
}, {
  name: "look_up_the_opening_hours_of_every_public_library_within_the_district",
  description: "Opening hours.",
  inputSchema: {
    type: "object",
    properties: { district: { type: "string" } },
    required: ["district"],
  },
}];

function call({ name, arguments: given }) {
  if (name === "add") return `sum is ${given.a + given.b}`;
  if (name === "ping") return `pong with ${JSON.stringify(given)}`;
  return `open in ${given.district}`;
}

function answer({ method, params }) {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: params.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "demo", version: "1.0.0" },
      };
    case "tools/list":
      return { tools };
    case "tools/call":
      return { content: [{ type: "text", text: call(params) }] };
    default:
      return {};
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  if (request.id === undefined) continue;
  process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id: request.id, result: answer(request) }) + "\n");
}
