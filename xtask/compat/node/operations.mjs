// Each operation, without convenience helpers, and pagination.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { all, expectError, topic } from "./harness.mjs";
import {
  WEATHER,
  messageText,
  assistant,
  assistants,
  callsOf,
  messages,
  outputs,
  runArguments,
  runs,
  steps,
  textOf,
  thread,
  threads,
  waitingRun,
} from "./fixtures.mjs";

const check = topic("operations");
const ids = (objects) => objects.map((object) => object.id);

check("objects are retrieved as created", async () => {
  const created = await assistants.create({
    model: "offline",
    name: "Baker",
    instructions: "Bake.",
    tools: [WEATHER],
    metadata: { shelf: "2" },
  });
  assert.deepEqual(await assistants.retrieve(created.id), created);
  assert.equal(created.tools[0].function.name, "get_weather");
  assert.deepEqual(created.metadata, { shelf: "2" });
  const newThread = await threads.create({ metadata: { user: "u1" } });
  assert.deepEqual(await threads.retrieve(newThread.id), newThread);
  const message = await messages.create(newThread.id, { role: "user", content: "Good morning" });
  assert.deepEqual(await messages.retrieve(message.id, { thread_id: newThread.id }), message);
  assert.equal(textOf(message), "Good morning");
});

check("objects are updated field by field", async () => {
  const created = await assistants.create({
    model: "offline",
    name: "Baker",
    instructions: "Bake.",
    temperature: 0.5,
    metadata: { shelf: "2" },
  });
  const renamed = { name: "Master baker", instructions: null, tools: [WEATHER] };
  const changed = await assistants.update(created.id, renamed);
  assert.equal(changed.name, "Master baker");
  assert.equal(changed.instructions, null);
  assert.equal(changed.tools[0].function.name, "get_weather");
  assert.equal(changed.temperature, 0.5);
  assert.deepEqual(changed.metadata, { shelf: "2" });
  assert.deepEqual(await assistants.retrieve(created.id), changed);
  const newThread = await threads.update((await thread()).id, { metadata: { user: "u2" } });
  assert.deepEqual(newThread.metadata, { user: "u2" });
  assert.deepEqual(await threads.retrieve(newThread.id), newThread);
  const message = (await messages.list(newThread.id)).data[0];
  const read = await messages.update(message.id, { thread_id: newThread.id, metadata: { read: "yes" } });
  assert.deepEqual(read, { ...message, metadata: { read: "yes" } });
  assert.deepEqual(await messages.retrieve(message.id, { thread_id: newThread.id }), read);
});

check("deleted objects are not found", async () => {
  const newAssistant = await assistant();
  const newThread = await thread();
  const message = (await messages.list(newThread.id)).data[0];
  const deleted = (id, object) => ({ id, object, deleted: true });
  const { NotFoundError } = OpenAI;
  let deletion = await messages.delete(message.id, { thread_id: newThread.id });
  assert.deepEqual(deletion, deleted(message.id, "thread.message.deleted"));
  deletion = await threads.delete(newThread.id);
  assert.deepEqual(deletion, deleted(newThread.id, "thread.deleted"));
  await expectError(NotFoundError, 404, "No thread found", () => messages.list(newThread.id));
  deletion = await assistants.delete(newAssistant.id);
  assert.deepEqual(deletion, deleted(newAssistant.id, "assistant.deleted"));
  await expectError(NotFoundError, 404, "No assistant found", () => assistants.retrieve(newAssistant.id));
});

check("a run is created retrieved and updated", async () => {
  const [thread_id, params] = await runArguments("Good morning");
  let run = await runs.create(thread_id, { ...params, metadata: { user: "u1" } });
  assert.deepEqual([run.status, run.object, run.usage], ["queued", "thread.run", null]);
  const changed = await runs.update(run.id, { thread_id, metadata: { step: "7" } });
  assert.deepEqual([changed.id, changed.metadata], [run.id, { step: "7" }]);
  run = await runs.poll(run.id, { thread_id });
  assert.deepEqual([run.status, run.expires_at, run.metadata], ["completed", null, { step: "7" }]);
  assert.ok(run.usage.total_tokens > 0);
  assert.deepEqual(await runs.retrieve(run.id, { thread_id }), run);
  assert.match(await messageText(run), /Good morning/);
});

check("a thread is created with its run", async () => {
  const run = await threads.createAndRun({
    assistant_id: (await assistant()).id,
    thread: { messages: [{ role: "user", content: "Good evening" }] },
  });
  assert.equal(run.status, "queued");
  await runs.poll(run.id, { thread_id: run.thread_id });
  const texts = (await all(messages.list(run.thread_id, { order: "asc" }))).map(textOf);
  assert.equal(texts[0], "Good evening");
  assert.equal(texts.length, 2);
});

check("run parameters override the assistant", async () => {
  const [thread_id, params] = await runArguments("Hello");
  const parameters = {
    model: "other",
    temperature: 0.3,
    top_p: 0.4,
    max_prompt_tokens: 1000,
    max_completion_tokens: 2000,
    parallel_tool_calls: false,
    truncation_strategy: { type: "last_messages", last_messages: 3 },
    metadata: { user: "u1" },
  };
  const run = await runs.createAndPoll(thread_id, {
    ...params,
    ...parameters,
    instructions: "Bake.",
    additional_instructions: "Quickly.",
    additional_messages: [{ role: "user", content: "What is the weather in Rome?" }],
    tools: [WEATHER],
    tool_choice: { type: "function", function: { name: "get_weather" } },
  });
  assert.equal(run.status, "requires_action");
  assert.deepEqual(JSON.parse(callsOf(run)[0].function.arguments), { city: "Rome" });
  assert.equal(run.instructions, "Bake.\nQuickly.");
  for (const [name, value] of Object.entries(parameters)) assert.deepEqual(run[name], value, name);
});

check("tool outputs complete a run", async () => {
  let run = await waitingRun();
  const [call] = callsOf(run);
  assert.equal(call.type, "function");
  assert.deepEqual(JSON.parse(call.function.arguments), { city: "Paris" });
  const resumed = await runs.submitToolOutputs(run.id, outputs(run));
  assert.deepEqual([resumed.status, resumed.required_action], ["queued", null]);
  run = await runs.poll(run.id, { thread_id: run.thread_id });
  assert.equal(run.status, "completed");
  assert.match(await messageText(run), /18 degrees/);
});

check("a waiting run is cancelled", async () => {
  let run = await waitingRun();
  const params = { thread_id: run.thread_id };
  assert.equal((await runs.cancel(run.id, params)).status, "cancelling");
  run = await runs.poll(run.id, params);
  assert.equal(run.status, "cancelled");
  assert.notEqual(run.cancelled_at, null);
  assert.equal((await steps.list(run.id, params)).data[0].status, "cancelled");
});

check("steps record tool calls and messages", async () => {
  let run = await waitingRun();
  const params = { thread_id: run.thread_id };
  run = await runs.submitToolOutputsAndPoll(run.id, outputs(run));
  const created = await all(steps.list(run.id, { ...params, limit: 1, order: "asc" }));
  assert.deepEqual(
    created.map((step) => step.type),
    ["tool_calls", "message_creation"],
  );
  assert.ok(created.every((step) => step.status === "completed" && step.usage.total_tokens > 0));
  assert.equal(created[0].step_details.tool_calls[0].function.output, "18 degrees");
  assert.equal(
    created.reduce((sum, step) => sum + step.usage.total_tokens, 0),
    run.usage.total_tokens,
  );
  for (const step of created) {
    assert.deepEqual(await steps.retrieve(step.id, { ...params, run_id: run.id }), step);
  }
});

check("pages are fetched during iteration", async () => {
  const created = [];
  for (let n = 0; n < 5; n++) created.unshift((await assistant()).id);
  // Other checks created older assistants.
  const page = await assistants.list({ limit: 2 });
  assert.deepEqual(ids(page.data), created.slice(0, 2));
  assert.ok(page.hasNextPage());
  assert.deepEqual(ids((await page.getNextPage()).data), created.slice(2, 4));
  const listed = ids(await all(page));
  assert.deepEqual(listed.slice(0, 5), created);
  assert.equal(new Set(listed).size, listed.length);
  assert.deepEqual(ids(await all(assistants.list({ limit: 2, order: "asc" }))), listed.toReversed());
  const between = await assistants.list({ limit: 2, after: created[0], before: created[4] });
  assert.deepEqual(ids(between.data), created.slice(1, 3));
  const texts = ["0", "1", "2", "3", "4"];
  const newThread = await threads.create({ messages: texts.map((content) => ({ role: "user", content })) });
  assert.deepEqual((await all(messages.list(newThread.id, { limit: 2, order: "asc" }))).map(textOf), texts);
  const { id } = await thread("Hello");
  const runIds = [];
  for (let n = 0; n < 5; n++) runIds.push((await runs.createAndPoll(id, { assistant_id: created[0] })).id);
  const sizes = (await all((await runs.list(id, { limit: 2 })).iterPages())).map((page) => page.data.length);
  assert.deepEqual(sizes, [2, 2, 1]);
  assert.deepEqual(ids(await all(runs.list(id, { limit: 2 }))), runIds.toReversed());
  const before = await runs.list(id, { limit: 2, order: "asc", before: runIds[3] });
  assert.deepEqual(ids(before.data), runIds.slice(1, 3));
});

check("listed objects can be deleted during iteration", async () => {
  const created = new Set();
  for (let n = 0; n < 5; n++) created.add((await assistant()).id);
  // Other assistants of the server stay.
  for await (const item of assistants.list({ limit: 2 })) {
    if (created.has(item.id)) await assistants.delete(item.id);
  }
  assert.ok(!ids(await all(assistants.list())).some((id) => created.has(id)));
  const texts = ["0", "1", "2", "3", "4"].map((content) => ({ role: "user", content }));
  const { id } = await threads.create({ messages: texts });
  for await (const message of messages.list(id, { limit: 2, order: "asc" })) {
    await messages.delete(message.id, { thread_id: id });
  }
  assert.deepEqual((await messages.list(id)).data, []);
});
