// Runs whose model is a mock server of a provider, by each API of providers.

import assert from "node:assert/strict";
import { all, connect, topic } from "./harness.mjs";
import { WEATHER, callsOf, textOf } from "./fixtures.mjs";

/** A server whose model is the provider. */
class Provider {
  constructor(baseURL) {
    this.client = connect({ baseURL });
    this.runs = this.client.beta.threads.runs;
  }

  /** The arguments of a run of a new assistant on a new thread. */
  async runArguments(text, { tools = [], model = "some-model", ...parameters } = {}) {
    const thread = await this.client.beta.threads.create({ messages: [{ role: "user", content: text }] });
    const assistant = await this.client.beta.assistants.create({ model, tools });
    return [thread.id, { ...parameters, assistant_id: assistant.id }];
  }

  async runToEnd(text, parameters) {
    return this.runs.createAndPoll(...(await this.runArguments(text, parameters)));
  }

  /** The texts of the messages that a run created, in order. */
  async texts(run) {
    const query = { run_id: run.id, order: "asc" };
    return (await this.client.beta.threads.messages.list(run.thread_id, query)).data.map(textOf);
  }
}

const PROVIDERS = {
  chat_completions: new Provider(process.env.FORWARDING_BASE_URL),
  responses: new Provider(process.env.RESPONSES_BASE_URL),
};

/** Adds a check of each provider. */
function check(title, body, topics = Object.keys(PROVIDERS)) {
  for (const name of topics) topic(name)(title, () => body(PROVIDERS[name]));
}

/** Returns a function that adds a check of one provider. */
const only = (name) => (title, body) => check(title, body, [name]);

check("a provider completes a run", async (at) => {
  const run = await at.runToEnd("hello");
  assert.equal(run.status, "completed");
  assert.match((await at.texts(run))[0], /^Hello!/);
});

only("chat_completions")("usage is that of the provider", async (at) => {
  const { prompt_tokens, completion_tokens, total_tokens } = (await at.runToEnd("hello")).usage;
  assert.ok(prompt_tokens > 0 && completion_tokens > 0);
  assert.equal(total_tokens, prompt_tokens + completion_tokens);
});

check("a providers message is streamed", async (at) => {
  const deltas = [];
  const stream = at.runs.stream(...(await at.runArguments("hello")));
  stream.on("textDelta", (delta) => deltas.push(delta.value));
  const run = await stream.finalRun();
  assert.ok(deltas.length > 1);
  assert.deepEqual(await at.texts(run), [deltas.join("")]);
});

check("models are mapped to the providers names", async (at) => {
  const named = async (model) => at.texts(await at.runToEnd("your name", { model }));
  assert.deepEqual(await named("gpt-4o"), ["I am the mapped model."]);
  assert.deepEqual(await named("some-model"), ["I am the default model."]);
});

check("outputs of a providers tool calls are submitted", async (at) => {
  let run = await at.runToEnd("weather", { tools: [WEATHER] });
  const calls = callsOf(run);
  assert.deepEqual(
    calls.map((call) => call.function.arguments),
    ['{"city":"Paris"}', '{"city":"Rome"}'],
  );
  assert.notEqual(calls[0].id, calls[1].id);
  const tool_outputs = calls.map((call) => ({ tool_call_id: call.id, output: "18" }));
  run = await at.runs.submitToolOutputsAndPoll(run.id, { thread_id: run.thread_id, tool_outputs });
  assert.equal(run.status, "completed");
  assert.deepEqual(await at.texts(run), ["Let me see.", "It is 18 degrees in Paris and 24 in Rome."]);
});

check("a providers failures fail the run", async (at) => {
  const codes = {
    limit: "rate_limit_exceeded",
    long: "invalid_prompt",
    broken: "server_error",
    cut: "server_error",
  };
  for (const [text, code] of Object.entries(codes)) {
    const run = await at.runToEnd(text);
    assert.deepEqual([text, run.status, run.last_error.code], [text, "failed", code]);
  }
});

check("a truncated message makes the run incomplete", async (at) => {
  const run = await at.runToEnd("short");
  assert.deepEqual([run.status, run.incomplete_details], ["incomplete", { reason: "max_completion_tokens" }]);
  assert.deepEqual(await at.texts(run), ["Only so"]);
});

// The mock cannot match the format of a request for responses.
only("chat_completions")("a json schema is forwarded to the provider", async (at) => {
  const json_schema = { name: "weather", schema: { type: "object" } };
  const run = await at.runToEnd("shape", { response_format: { type: "json_schema", json_schema } });
  assert.deepEqual(await at.texts(run), ['{"city":"Paris","degrees":18}']);
});

check("a run is cancelled during generation", async (at) => {
  const events = [];
  const stream = at.runs.stream(...(await at.runArguments("slow")));
  for await (const { event, data } of stream) {
    events.push(event);
    if (event === "thread.run.in_progress") await at.runs.cancel(data.id, { thread_id: data.thread_id });
  }
  const run = await stream.finalRun();
  assert.equal(events.at(-1), "thread.run.cancelled");
  assert.ok(events.includes("thread.run.cancelling"));
  assert.equal(run.status, "cancelled");
  assert.notEqual(run.cancelled_at, null);
});

only("responses")("files of the provider are reached", async (at) => {
  const { files, models } = at.client;
  const content = new File(["a,b"], "data.csv");
  const file = await files.create({ file: content, purpose: "assistants" });
  assert.equal((await files.retrieve(file.id)).filename, "data.csv");
  const listed = await all(files.list());
  assert.ok(listed.some(({ id }) => id === file.id));
  assert.equal(await (await files.content(file.id)).text(), "a,b");
  assert.ok((await files.delete(file.id)).deleted);
  assert.ok((await all(models.list())).some(({ id }) => id === "qwen2.5:7b"));
});
