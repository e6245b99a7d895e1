// fal's JavaScript client, told where to go as a user tells it: by its proxyUrl.
import { createHash, createPublicKey, verify as verifies } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { createFalClient } from "@fal-ai/client";

const address = process.env.KINETOSCOPE_TEST_URL;
// Requests are found by their ids, whatever model they are said to be for.
const ANY_APP = "kinetoscope/gpt-image-2";
const LEEWAY_S = 300;

const clients = new Map();

function client(key) {
  if (!clients.has(key)) {
    const proxyUrl = { url: `${address}/fal/proxy`, when: "always" };
    clients.set(key, createFalClient({ credentials: key, proxyUrl }));
  }
  return clients.get(key);
}

function urls(made) {
  const files = made.images ?? [made.video ?? made.audio];
  return files.map((file) => file.url);
}

const inputOf = (order) => ({ prompt: order.prompt, ...order.inputs });

const verbs = {
  async create(order) {
    const { request_id: id, status } = await client(order.key).queue.submit(order.model, {
      input: inputOf(order),
      webhookUrl: order.callback,
      headers: order.headers,
    });
    return { id, state: status };
  },
  async get(order) {
    const told = await client(order.key).queue.status(ANY_APP, { requestId: order.id, logs: true });
    return { state: told.status, error: told.error };
  },
  async wait(order) {
    const queue = client(order.key).queue;
    // By the stream of states; the client polls by default, as `get` does.
    const told = await queue.subscribeToStatus(ANY_APP, {
      requestId: order.id,
      mode: "streaming",
      logs: true,
    });
    const made = await queue.result(ANY_APP, { requestId: order.id });
    return { state: told.status, urls: urls(made.data) };
  },
  async run(order) {
    const made = await client(order.key).subscribe(order.model, { input: inputOf(order) });
    return { urls: urls(made.data) };
  },
  async stream(order) {
    const stream = await client(order.key).stream(order.model, { input: inputOf(order) });
    const events = [];
    for await (const event of stream) events.push(event);
    return { events, urls: urls(await stream.done()) };
  },
  async cancel(order) {
    await client(order.key).queue.cancel(ANY_APP, { requestId: order.id });
    return verbs.get(order);
  },
  async upload(order) {
    const file = new File([await readFile(order.path)], "picture.png", { type: "image/png" });
    return { reference: await client(order.key).storage.upload(file) };
  },
  async create_with(order) {
    return verbs.create({ ...order, inputs: { ...order.inputs, image_urls: [order.reference] } });
  },
  async download(order) {
    // The client leaves that to its users.
    const [first] = (await verbs.wait(order)).urls;
    const bytes = Buffer.from(await (await fetch(first)).arrayBuffer());
    await writeFile(order.to, bytes);
    return { bytes: bytes.length };
  },
  async verify(order) {
    // As fal's documentation says; the client has nothing for it.
    const headers = Object.fromEntries(
      Object.entries(order.headers).map(([name, value]) => [name.toLowerCase(), value]),
    );
    const timestamp = headers["x-fal-webhook-timestamp"];
    if (Math.abs(Date.now() / 1000 - Number(timestamp)) > LEEWAY_S) throw new Error("too old");
    const signed = [
      headers["x-fal-webhook-request-id"],
      headers["x-fal-webhook-user-id"],
      timestamp,
      createHash("sha256").update(order.body).digest("hex"),
    ].join("\n");
    const signature = Buffer.from(headers["x-fal-webhook-signature"], "hex");
    const { keys } = await (await fetch(`${address}/fal/.well-known/jwks.json`)).json();
    for (const key of keys) {
      const found = createPublicKey({ key, format: "jwk" });
      if (verifies(null, Buffer.from(signed), found, signature)) {
        return { verified: true, id: JSON.parse(order.body).request_id };
      }
    }
    throw new Error("no key verifies this");
  },
};

async function answer(order) {
  try {
    return { ok: await verbs[order.verb](order) };
  } catch (error) {
    // The reason is in the body; the message is the status in words.
    const told = error.body?.detail === undefined ? "" : ` ${JSON.stringify(error.body.detail)}`;
    const message = `${error.message}${told}`;
    return { error: { type: error.name, status: error.status ?? null, message } };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
}
