// Helpers that poll a run.

import assert from "node:assert/strict";
import { topic } from "./harness.mjs";
import {
  WEATHER,
  assistant,
  callsOf,
  messageText,
  outputs,
  runArguments,
  runs,
  threads,
  waitingRun,
} from "./fixtures.mjs";

const check = topic("polling");

check("create and poll waits for a terminal status", async () => {
  const run = await runs.createAndPoll(...(await runArguments("Hello")));
  assert.equal(run.status, "completed");
  assert.ok(run.usage.total_tokens > 0);
  assert.match(await messageText(run), /Hello/);
});

check("create and poll returns a run that requires action", async () => {
  const run = await runs.createAndPoll(...(await runArguments(undefined, [WEATHER])));
  assert.deepEqual([run.status, run.usage], ["requires_action", null]);
  assert.equal(callsOf(run)[0].function.name, "get_weather");
});

check("create and run poll creates a thread", async () => {
  const run = await threads.createAndRunPoll({
    assistant_id: (await assistant()).id,
    thread: { messages: [{ role: "user", content: "Good evening" }], metadata: { user: "u1" } },
  });
  assert.equal(run.status, "completed");
  assert.match(await messageText(run), /Good evening/);
  assert.deepEqual((await threads.retrieve(run.thread_id)).metadata, { user: "u1" });
});

check("submit tool outputs and poll waits for a terminal status", async () => {
  let run = await waitingRun();
  run = await runs.submitToolOutputsAndPoll(run.id, outputs(run, "21 degrees"));
  assert.deepEqual([run.status, run.required_action], ["completed", null]);
  assert.match(await messageText(run), /21 degrees/);
});

check("poll waits for an existing run", async () => {
  let run = await runs.create(...(await runArguments("Hello")));
  run = await runs.poll(run.id, { thread_id: run.thread_id });
  assert.equal(run.status, "completed");
  assert.ok(run.completed_at >= run.created_at);
});

check("active runs have a poll interval header", async () => {
  const { id, thread_id, ...run } = await waitingRun();
  const queued = await runs.submitToolOutputs(id, outputs({ thread_id, ...run })).withResponse();
  assert.equal(queued.data.status, "queued");
  assert.ok(Number(queued.response.headers.get("openai-poll-after-ms")) > 0);
  await runs.poll(id, { thread_id });
  const ended = await runs.retrieve(id, { thread_id }).withResponse();
  assert.equal(ended.data.status, "completed");
  assert.equal(ended.response.headers.get("openai-poll-after-ms"), null);
});
