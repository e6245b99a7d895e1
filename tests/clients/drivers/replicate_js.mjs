// Replicate's client for JavaScript, told by `baseUrl` where to go.
import { readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";

import Replicate, { parseProgressFromLogs, validateWebhook } from "replicate";

const baseUrl = `${process.env.KINETOSCOPE_TEST_URL}/replicate/v1`;
const clients = new Map();

// Headers of one's own go by the client's `fetch` option; `init` is the same for every retry.
function client(key, headers) {
  if (headers && Object.keys(headers).length > 0) {
    return new Replicate({
      auth: key,
      baseUrl,
      fetch: (url, init) => fetch(url, { ...init, headers: { ...init?.headers, ...headers } }),
    });
  }
  if (!clients.has(key)) clients.set(key, new Replicate({ auth: key, baseUrl }));
  return clients.get(key);
}

const listed = (output) => (output == null ? [] : [output].flat().map(String));
const told = (prediction) => ({
  state: prediction.status,
  urls: listed(prediction.output),
  error: prediction.error,
});
const inputOf = ({ prompt, inputs }) => ({ prompt, ...inputs });

async function create(key, asked, further = {}) {
  const made = await client(key, asked.headers).predictions.create({
    model: asked.model,
    input: { ...inputOf(asked), ...further },
    ...(asked.callback ? { webhook: asked.callback } : {}),
  });
  return { id: made.id, state: made.status };
}

const verbs = {
  create,
  async get(key, { id }) {
    const prediction = await client(key).predictions.get(id);
    return { ...told(prediction), progress: parseProgressFromLogs(prediction)?.percentage ?? null };
  },
  async wait(key, { id }) {
    const replicate = client(key);
    const ended = await replicate.wait(await replicate.predictions.get(id), { interval: 100 });
    return told(ended);
  },
  async run(key, asked) {
    const output = await client(key).run(asked.model, { input: inputOf(asked) });
    const urls = [];
    let bytes = 0;
    for (const file of [output].flat()) {
      urls.push(file.url().href);
      bytes += (await file.blob()).size;
    }
    return { urls, bytes };
  },
  async stream(key, asked) {
    const events = [];
    const urls = [];
    for await (const event of client(key).stream(asked.model, { input: inputOf(asked) })) {
      events.push(event.event);
      if (event.event === "output") urls.push(String(event.data));
    }
    return { events, urls };
  },
  async cancel(key, { id }) {
    return { state: (await client(key).predictions.cancel(id)).status };
  },
  async upload(key, { path }) {
    return { reference: (await client(key).files.create(await readFile(path))).urls.get };
  },
  async create_with(key, asked) {
    const image = asked.path ? await readFile(asked.path) : asked.reference;
    return create(key, asked, { image });
  },
  async download(key, { id, to }) {
    const prediction = await client(key).predictions.get(id);
    const response = await fetch(listed(prediction.output)[0]);
    if (!response.ok) throw new Error(`status ${response.status}`);
    const content = Buffer.from(await response.arrayBuffer());
    await writeFile(to, content);
    return { bytes: content.length };
  },
  async list(key) {
    const ids = [];
    const replicate = client(key);
    for await (const results of replicate.paginate(replicate.predictions.list)) {
      ids.push(...results.map((prediction) => prediction.id));
    }
    return { ids };
  },
  async verify(_key, { headers, body, secret }) {
    const lower = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    );
    if (!(await validateWebhook({ headers: lower, body }, secret))) {
      throw new Error("The signature is not valid");
    }
    return { verified: true, id: JSON.parse(body).id };
  },
  async secret(key) {
    return { secret: (await client(key).webhooks.default.secret.get()).key };
  },
  async model(key, asked) {
    const found = await client(key).models.get(...asked.model.split("/"));
    const { id, openapi_schema: schema } = found.latest_version;
    return { id: `${found.owner}/${found.name}`, version: id, schema };
  },
};

async function answer(line) {
  const asked = JSON.parse(line);
  try {
    return { ok: await verbs[asked.verb](asked.key, asked) };
  } catch (error) {
    const status = error.response?.status ?? null;
    return { error: { type: error.name, status, message: String(error.message) } };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
}
