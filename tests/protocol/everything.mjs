// The official TypeScript client, which most hosts are built on: list and call everything, print one JSON document.
// It checks every structured result against the output schema of its tool, and throws where one does not fit.
//
//   node everything.mjs first|second stdio COMMAND...  < calls.json
//   node everything.mjs first|second http URL          < calls.json
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [generation, transport, ...target] = process.argv.slice(2);
const calls = JSON.parse(readFileSync(0, "utf8"));
const require = createRequire(new URL("../tools/package.json", import.meta.url));

function library() {
  if (generation === "first") {
    const sdk = "@modelcontextprotocol/sdk/client";
    return {
      ...require(`${sdk}/index.js`),
      ...require(`${sdk}/stdio.js`),
      ...require(`${sdk}/streamableHttp.js`),
    };
  }
  return { ...require("@modelcontextprotocol/client"), ...require("@modelcontextprotocol/client/stdio") };
}

const { Client, StdioClientTransport, StreamableHTTPClientTransport } = library();
const client = new Client(
  { name: "everything", version: "0" },
  generation === "first" ? {} : { versionNegotiation: { mode: "auto" } },
);
await client.connect(
  transport === "http"
    ? new StreamableHTTPClientTransport(new URL(target[0]))
    : new StdioClientTransport({ command: target[0], args: target.slice(1) }),
);

const told = { notes: 0, tools: {}, refused: {}, prompts: {}, resources: {} };
told.listed = (await client.listTools()).tools;
const watched = { onprogress: () => (told.notes += 1) };
for (const [name, args] of Object.entries(calls.tools)) {
  const call = { name, arguments: args };
  told.tools[name] = await (generation === "first"
    ? client.callTool(call, undefined, watched)
    : client.callTool(call, watched));
}
for (const [name, args] of Object.entries(calls.faults)) {
  told.refused[name] = await client.callTool({ name, arguments: args });
}
told.promptsListed = (await client.listPrompts()).prompts;
for (const [name, args] of Object.entries(calls.prompts)) {
  told.prompts[name] = await client.getPrompt({ name, arguments: args });
}
for (const { uri } of (await client.listResources()).resources) {
  told.resources[uri] = await client.readResource({ uri });
}
told.templates = (await client.listResourceTemplates()).resourceTemplates;
told.era = client.getProtocolEra?.() ?? "legacy";
await client.close();
console.log(JSON.stringify(told));
