// npm `@modelcontextprotocol/sdk` 1.x.
import { library, run, wrap } from "./scenario.mjs";

const { Client } = await library("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = await library("@modelcontextprotocol/sdk/client/stdio.js");
const { StreamableHTTPClientTransport } = await library("@modelcontextprotocol/sdk/client/streamableHttp.js");

await run(async ([first, ...rest]) => {
  const transport = first.startsWith("http")
    ? new StreamableHTTPClientTransport(new URL(first))
    : new StdioClientTransport({ command: first, args: rest, env: process.env });
  const client = new Client({ name: "sdk1", version: "1" });
  await client.connect(transport);
  return wrap(client, (params, options) => client.callTool(params, undefined, options));
});
