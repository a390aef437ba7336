// What every Node client does with the server: the same as `scenario.py`. Each step writes one line of JSON.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const PEOPLE = Array.from({ length: 12 }, (_, n) => `+3319900${String(100 + n).padStart(4, "0")}`);

const say = (step, what = {}) => console.log(JSON.stringify({ step, ...what }));

// A module of the library, which is installed in a folder of its own.
const require = createRequire(`${process.env.CLIENT_FOLDER}/package.json`);
export const library = (name) => import(pathToFileURL(require.resolve(name)));

const bulk = (key) => ({
  recipients: PEOPLE.map((to, n) => ({ to, data: [{ name: "n", value: String(n) }] })),
  message: "To all, number {{n}}",
  idempotency_key: key,
});

async function everything(client) {
  say("list", { tools: (await client.tools()).sort() });
  const [quote] = await client.call("send_sms", { to: "+33199000001", message: "Hello", dry_run: true });
  say("quote", { status: quote.status, price: quote.price });
  const keyed = { to: "+33199000001", message: "Hello", idempotency_key: "one" };
  const [first] = await client.call("send_sms", keyed);
  const [again] = await client.call("send_sms", keyed);
  say("send", { status: first.status, same: first.id === again.id, replayed: [first.replayed, again.replayed] });
  const [refused, isError] = await client.call("send_sms", { to: "12", message: "Hello" });
  say("refusal", { is_error: isError, code: refused.code });
  const steps = [];
  const [done] = await client.call("send_bulk", bulk("bulk"), (step) => steps.push(step));
  say("bulk", { status: done.status, accepted: done.accepted, steps });
  const [status] = await client.call("get_status", { id: done.batch });
  say("status", { recipients: Object.values(status.bulk.counts).reduce((sum, count) => sum + count, 0) });
  const [listed] = await client.call("list_sms", { limit: 5 });
  say("messages", { count: listed.messages.length });
  const uris = await client.resources();
  const shown = JSON.parse(await client.read(`sms://messages/${first.id}`));
  say("resource", { listed: uris.length, same: shown.message.id === first.id });
}

async function midway(client) {
  say("midway");
  const [answer] = await client.call("send_sms", { to: "+33199000002", message: "Midway", idempotency_key: "midway" });
  say("sent", { status: answer.status, code: answer.code });
}

async function cut(client) {
  try {
    const [done, isError] = await client.call("send_bulk", bulk("cut"), () => {});
    say("cut", { got: isError ? "refusal" : "answer", accepted: done.accepted });
  } catch (error) {
    say("cut", { got: "error", error: String(error).slice(0, 200) });
  }
}

async function afterCut(client) {
  const [done] = await client.call("send_bulk", bulk("cut"));
  say("after cut", { accepted: done.accepted, replayed: done.replayed });
}

// `connect` makes a connected client of a URL or of a command.
export async function run(connect) {
  const [mode, ...target] = process.argv.slice(2);
  const steps = { everything: [everything], midway: [midway], cut: [cut, afterCut] }[mode];
  for (const step of steps) {
    const client = await connect(target);
    await step(client);
    await client.close();
  }
  process.exit(0);
}

// The client in the shape that the steps above use; both versions of the library have these methods.
export function wrap(client, callTool) {
  return {
    tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    call: async (name, args, onProgress) => {
      const options = onProgress ? { onprogress: (progress) => onProgress(progress.progress) } : undefined;
      const result = await callTool({ name, arguments: args }, options);
      return [result.isError ? JSON.parse(result.content[0].text) : result.structuredContent, Boolean(result.isError)];
    },
    resources: async () => (await client.listResources()).resources.map((resource) => resource.uri),
    read: async (uri) => (await client.readResource({ uri })).contents[0].text,
    close: () => client.close(),
  };
}
