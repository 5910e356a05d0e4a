// Runs whose model is a mock server of the Chat Completions API.

import assert from "node:assert/strict";
import { connect, topic } from "./harness.mjs";
import { WEATHER, callsOf, textOf } from "./fixtures.mjs";

const check = topic("chat_completions");
const client = connect({ baseURL: process.env.FORWARDING_BASE_URL });
const { assistants, threads } = client.beta;
const { messages, runs } = threads;

/** The arguments of a run of a new assistant on a new thread. */
async function runArguments(text, { tools = [], model = "some-model", ...parameters } = {}) {
  const thread = await threads.create({ messages: [{ role: "user", content: text }] });
  const assistant = await assistants.create({ model, tools });
  return [thread.id, { ...parameters, assistant_id: assistant.id }];
}

const runToEnd = async (text, parameters) => runs.createAndPoll(...(await runArguments(text, parameters)));

/** The texts of the messages that a run created, in order. */
async function texts(run) {
  return (await messages.list(run.thread_id, { run_id: run.id, order: "asc" })).data.map(textOf);
}

check("a provider completes a run", async () => {
  const run = await runToEnd("hello");
  assert.equal(run.status, "completed");
  assert.match((await texts(run))[0], /^Hello!/);
  const { prompt_tokens, completion_tokens, total_tokens } = run.usage;
  assert.ok(prompt_tokens > 0 && completion_tokens > 0);
  assert.equal(total_tokens, prompt_tokens + completion_tokens);
});

check("a providers message is streamed", async () => {
  const deltas = [];
  const stream = runs.stream(...(await runArguments("hello")));
  stream.on("textDelta", (delta) => deltas.push(delta.value));
  const run = await stream.finalRun();
  assert.ok(deltas.length > 1);
  assert.deepEqual(await texts(run), [deltas.join("")]);
});

check("models are mapped to the providers names", async () => {
  const named = async (model) => texts(await runToEnd("your name", { model }));
  assert.deepEqual(await named("gpt-4o"), ["I am the mapped model."]);
  assert.deepEqual(await named("some-model"), ["I am the default model."]);
});

check("outputs of a providers tool calls are submitted", async () => {
  let run = await runToEnd("weather", { tools: [WEATHER] });
  const calls = callsOf(run);
  assert.deepEqual(
    calls.map((call) => call.function.arguments),
    ['{"city":"Paris"}', '{"city":"Rome"}'],
  );
  assert.notEqual(calls[0].id, calls[1].id);
  const tool_outputs = calls.map((call) => ({ tool_call_id: call.id, output: "18" }));
  run = await runs.submitToolOutputsAndPoll(run.id, { thread_id: run.thread_id, tool_outputs });
  assert.equal(run.status, "completed");
  assert.deepEqual(await texts(run), ["Let me see.", "It is 18 degrees in Paris and 24 in Rome."]);
});

check("a providers failures fail the run", async () => {
  const codes = {
    limit: "rate_limit_exceeded",
    long: "invalid_prompt",
    broken: "server_error",
    cut: "server_error",
  };
  for (const [text, code] of Object.entries(codes)) {
    const run = await runToEnd(text);
    assert.deepEqual([text, run.status, run.last_error.code], [text, "failed", code]);
  }
});

check("a truncated message makes the run incomplete", async () => {
  const run = await runToEnd("short");
  assert.deepEqual([run.status, run.incomplete_details], ["incomplete", { reason: "max_completion_tokens" }]);
  assert.deepEqual(await texts(run), ["Only so"]);
});

check("a json schema is forwarded to the provider", async () => {
  const json_schema = { name: "weather", schema: { type: "object" } };
  const run = await runToEnd("shape", { response_format: { type: "json_schema", json_schema } });
  assert.deepEqual(await texts(run), ['{"city":"Paris","degrees":18}']);
});

check("a run is cancelled during generation", async () => {
  const events = [];
  const stream = runs.stream(...(await runArguments("slow")));
  for await (const { event, data } of stream) {
    events.push(event);
    if (event === "thread.run.in_progress") await runs.cancel(data.id, { thread_id: data.thread_id });
  }
  const run = await stream.finalRun();
  assert.equal(events.at(-1), "thread.run.cancelled");
  assert.ok(events.includes("thread.run.cancelling"));
  assert.equal(run.status, "cancelled");
  assert.notEqual(run.cancelled_at, null);
});
