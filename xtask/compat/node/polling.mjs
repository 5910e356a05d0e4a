// The helpers that wait for a run by asking for it again and again.

import assert from "node:assert/strict";
import { topic } from "./gate.mjs";
import { WEATHER, answer, assistant, callsOf, outputs, place, runs, threads, waitingRun } from "./given.mjs";

const check = topic("polling");

check("create and poll ends when the run does", async () => {
  const run = await runs.createAndPoll(...(await place("Hello")));
  assert.equal(run.status, "completed");
  assert.ok(run.usage.total_tokens > 0);
  assert.match(await answer(run), /Hello/);
});

check("create and poll ends when outputs are needed", async () => {
  const run = await runs.createAndPoll(...(await place(undefined, [WEATHER])));
  assert.deepEqual([run.status, run.usage], ["requires_action", null]);
  assert.equal(callsOf(run)[0].function.name, "get_weather");
});

check("create and run poll opens a thread", async () => {
  const run = await threads.createAndRunPoll({
    assistant_id: (await assistant()).id,
    thread: { messages: [{ role: "user", content: "Good evening" }], metadata: { user: "u1" } },
  });
  assert.equal(run.status, "completed");
  assert.match(await answer(run), /Good evening/);
  assert.deepEqual((await threads.retrieve(run.thread_id)).metadata, { user: "u1" });
});

check("submit tool outputs and poll ends when the run does", async () => {
  let run = await waitingRun();
  run = await runs.submitToolOutputsAndPoll(run.id, outputs(run, "21 degrees"));
  assert.deepEqual([run.status, run.required_action], ["completed", null]);
  assert.match(await answer(run), /21 degrees/);
});

check("poll waits for a run made elsewhere", async () => {
  let run = await runs.create(...(await place("Hello")));
  run = await runs.poll(run.id, { thread_id: run.thread_id });
  assert.equal(run.status, "completed");
  assert.ok(run.completed_at >= run.created_at);
});

check("runs under way say when to ask again", async () => {
  const { id, thread_id, ...run } = await waitingRun();
  const queued = await runs.submitToolOutputs(id, outputs({ thread_id, ...run })).withResponse();
  assert.equal(queued.data.status, "queued");
  assert.ok(Number(queued.response.headers.get("openai-poll-after-ms")) > 0);
  await runs.poll(id, { thread_id });
  const ended = await runs.retrieve(id, { thread_id }).withResponse();
  assert.equal(ended.data.status, "completed");
  assert.equal(ended.response.headers.get("openai-poll-after-ms"), null);
});
