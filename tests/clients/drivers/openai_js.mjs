// OpenAI's JavaScript client, as its makers publish it: one order a line, one answer.

import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";

import OpenAI from "openai";

const BASE_URL = `${process.env.KINETOSCOPE_TEST_URL}/openai/v1`;
const clients = new Map();

function clientOf(key) {
  if (!clients.has(key)) clients.set(key, new OpenAI({ apiKey: key, baseURL: BASE_URL }));
  return clients.get(key);
}

async function create(client, order, further = {}) {
  const body = { model: order.model, prompt: order.prompt, ...order.inputs, ...further };
  if (order.callback) body.callBackUrl = order.callback;
  const video = await client.videos.create(body, { headers: order.headers });
  return { id: video.id, state: video.status };
}

// By a file that comes along with the request.
async function createWith(client, order) {
  return create(client, order, { input_reference: createReadStream(order.path) });
}

function shown(video) {
  const error = video.error ? `${video.error.code}: ${video.error.message}` : null;
  return { state: video.status, urls: [], error };
}

// The client has no helper that waits; its documentation shows this loop.
async function wait(client, order) {
  for (;;) {
    const { data, response } = await client.videos.retrieve(order.id).withResponse();
    if (data.status !== "queued" && data.status !== "in_progress") return shown(data);
    const pauseMs = Number(response.headers.get("openai-poll-after-ms") ?? 1000);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

async function run(client, order) {
  const made = await client.images.generate({
    model: order.model,
    prompt: order.prompt,
    ...order.inputs,
  });
  const bytes = made.data.map((image) => Buffer.from(image.b64_json ?? "", "base64").length);
  return { urls: made.data.map((image) => image.url), bytes: bytes.reduce((a, b) => a + b, 0) };
}

async function upload(client, order) {
  const file = createReadStream(order.path);
  return { reference: (await client.files.create({ file, purpose: "vision" })).id };
}

async function download(client, order) {
  const response = await client.videos.downloadContent(order.id);
  const bytes = Buffer.from(await response.arrayBuffer());
  await writeFile(order.to, bytes);
  return { bytes: bytes.length };
}

async function list(client) {
  const ids = [];
  for await (const video of client.videos.list()) ids.push(video.id);
  return { ids };
}

async function verify(client, order) {
  const event = await client.webhooks.unwrap(order.body, order.headers, order.secret);
  return { verified: true, id: event.data.id, type: event.type };
}

async function cancel(client, order) {
  return { state: (await client.videos.delete(order.id)).deleted ? "deleted" : "cancelling" };
}

const VERBS = {
  create,
  create_with: createWith,
  get: async (client, order) => shown(await client.videos.retrieve(order.id)),
  wait,
  run,
  cancel,
  upload,
  download,
  list,
  verify,
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  let told;
  try {
    told = { ok: await VERBS[order.verb](clientOf(order.key), order) };
  } catch (error) {
    const { name } = error.constructor;
    told = { error: { type: name, status: error.status ?? null, message: String(error.message) } };
  }
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
