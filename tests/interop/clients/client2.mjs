// npm `@modelcontextprotocol/client` 2.x.
import { library, run, wrap } from "./scenario.mjs";

const { Client, StreamableHTTPClientTransport } = await library("@modelcontextprotocol/client");
const { StdioClientTransport } = await library("@modelcontextprotocol/client/stdio");

await run(async ([first, ...rest]) => {
  const transport = first.startsWith("http")
    ? new StreamableHTTPClientTransport(new URL(first))
    : new StdioClientTransport({ command: first, args: rest, env: process.env });
  const client = new Client({ name: "client2", version: "1" });
  await client.connect(transport);
  return wrap(client, (params, options) => client.callTool(params, options));
});
