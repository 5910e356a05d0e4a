// Each of the operations, as it is called without a helper, and pages.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { all, refused, topic } from "./gate.mjs";
import {
  WEATHER,
  answer,
  assistant,
  assistants,
  callsOf,
  messages,
  outputs,
  place,
  runs,
  steps,
  textOf,
  thread,
  threads,
  waitingRun,
} from "./given.mjs";

const check = topic("operations");
const ids = (objects) => objects.map((one) => one.id);

check("companions come back as they were made", async () => {
  const made = await assistants.create({
    model: "offline",
    name: "Baker",
    instructions: "Bake.",
    tools: [WEATHER],
    metadata: { shelf: "2" },
  });
  assert.deepEqual(await assistants.retrieve(made.id), made);
  assert.equal(made.tools[0].function.name, "get_weather");
  assert.deepEqual(made.metadata, { shelf: "2" });
  const where = await threads.create({ metadata: { user: "u1" } });
  assert.deepEqual(await threads.retrieve(where.id), where);
  const message = await messages.create(where.id, { role: "user", content: "Good morning" });
  assert.deepEqual(await messages.retrieve(message.id, { thread_id: where.id }), message);
  assert.equal(textOf(message), "Good morning");
});

check("companions are changed field by field", async () => {
  const made = await assistants.create({
    model: "offline",
    name: "Baker",
    instructions: "Bake.",
    temperature: 0.5,
    metadata: { shelf: "2" },
  });
  const renamed = { name: "Master baker", instructions: null, tools: [WEATHER] };
  const changed = await assistants.update(made.id, renamed);
  assert.equal(changed.name, "Master baker");
  assert.equal(changed.instructions, null);
  assert.equal(changed.tools[0].function.name, "get_weather");
  assert.equal(changed.temperature, 0.5);
  assert.deepEqual(changed.metadata, { shelf: "2" });
  assert.deepEqual(await assistants.retrieve(made.id), changed);
  const where = await threads.update((await thread()).id, { metadata: { user: "u2" } });
  assert.deepEqual(where.metadata, { user: "u2" });
  assert.deepEqual(await threads.retrieve(where.id), where);
  const message = (await messages.list(where.id)).data[0];
  const read = await messages.update(message.id, { thread_id: where.id, metadata: { read: "yes" } });
  assert.deepEqual(read, { ...message, metadata: { read: "yes" } });
  assert.deepEqual(await messages.retrieve(message.id, { thread_id: where.id }), read);
});

check("companions are gone when deleted", async () => {
  const helper = await assistant();
  const where = await thread();
  const message = (await messages.list(where.id)).data[0];
  const deleted = (id, object) => ({ id, object, deleted: true });
  const { NotFoundError } = OpenAI;
  let gone = await messages.delete(message.id, { thread_id: where.id });
  assert.deepEqual(gone, deleted(message.id, "thread.message.deleted"));
  gone = await threads.delete(where.id);
  assert.deepEqual(gone, deleted(where.id, "thread.deleted"));
  await refused(NotFoundError, 404, "No thread found", () => messages.list(where.id));
  gone = await assistants.delete(helper.id);
  assert.deepEqual(gone, deleted(helper.id, "assistant.deleted"));
  await refused(NotFoundError, 404, "No assistant found", () => assistants.retrieve(helper.id));
});

check("a run is created retrieved and changed", async () => {
  const [thread_id, helper] = await place("Good morning");
  let run = await runs.create(thread_id, { ...helper, metadata: { user: "u1" } });
  assert.deepEqual([run.status, run.object, run.usage], ["queued", "thread.run", null]);
  const changed = await runs.update(run.id, { thread_id, metadata: { step: "7" } });
  assert.deepEqual([changed.id, changed.metadata], [run.id, { step: "7" }]);
  run = await runs.poll(run.id, { thread_id });
  assert.deepEqual([run.status, run.expires_at, run.metadata], ["completed", null, { step: "7" }]);
  assert.ok(run.usage.total_tokens > 0);
  assert.deepEqual(await runs.retrieve(run.id, { thread_id }), run);
  assert.match(await answer(run), /Good morning/);
});

check("a thread is created with its run", async () => {
  const run = await threads.createAndRun({
    assistant_id: (await assistant()).id,
    thread: { messages: [{ role: "user", content: "Good evening" }] },
  });
  assert.equal(run.status, "queued");
  await runs.poll(run.id, { thread_id: run.thread_id });
  const said = (await all(messages.list(run.thread_id, { order: "asc" }))).map(textOf);
  assert.equal(said[0], "Good evening");
  assert.equal(said.length, 2);
});

check("a run takes what is given in place of the assistants", async () => {
  const [thread_id, helper] = await place("Hello");
  const given = {
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
    ...helper,
    ...given,
    instructions: "Bake.",
    additional_instructions: "Quickly.",
    additional_messages: [{ role: "user", content: "What is the weather in Rome?" }],
    tools: [WEATHER],
    tool_choice: { type: "function", function: { name: "get_weather" } },
  });
  assert.equal(run.status, "requires_action");
  assert.deepEqual(JSON.parse(callsOf(run)[0].function.arguments), { city: "Rome" });
  assert.equal(run.instructions, "Bake.\nQuickly.");
  for (const [name, value] of Object.entries(given)) assert.deepEqual(run[name], value, name);
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
  assert.match(await answer(run), /18 degrees/);
});

check("a waiting run is cancelled", async () => {
  let run = await waitingRun();
  const where = { thread_id: run.thread_id };
  assert.equal((await runs.cancel(run.id, where)).status, "cancelling");
  run = await runs.poll(run.id, where);
  assert.equal(run.status, "cancelled");
  assert.notEqual(run.cancelled_at, null);
  assert.equal((await steps.list(run.id, where)).data[0].status, "cancelled");
});

check("steps tell what a run did", async () => {
  let run = await waitingRun();
  const where = { thread_id: run.thread_id };
  run = await runs.submitToolOutputsAndPoll(run.id, outputs(run));
  const made = await all(steps.list(run.id, { ...where, limit: 1, order: "asc" }));
  assert.deepEqual(
    made.map((step) => step.type),
    ["tool_calls", "message_creation"],
  );
  assert.ok(made.every((step) => step.status === "completed" && step.usage.total_tokens > 0));
  assert.equal(made[0].step_details.tool_calls[0].function.output, "18 degrees");
  assert.equal(
    made.reduce((sum, step) => sum + step.usage.total_tokens, 0),
    run.usage.total_tokens,
  );
  for (const step of made) {
    assert.deepEqual(await steps.retrieve(step.id, { ...where, run_id: run.id }), step);
  }
});

check("pages are fetched on the way", async () => {
  const made = [];
  for (let n = 0; n < 5; n++) made.unshift((await assistant()).id);
  // The other checks have made assistants as well; these are the newest.
  const page = await assistants.list({ limit: 2 });
  assert.deepEqual(ids(page.data), made.slice(0, 2));
  assert.ok(page.hasNextPage());
  assert.deepEqual(ids((await page.getNextPage()).data), made.slice(2, 4));
  const listed = ids(await all(page));
  assert.deepEqual(listed.slice(0, 5), made);
  assert.equal(new Set(listed).size, listed.length);
  assert.deepEqual(ids(await all(assistants.list({ limit: 2, order: "asc" }))), listed.toReversed());
  const between = await assistants.list({ limit: 2, after: made[0], before: made[4] });
  assert.deepEqual(ids(between.data), made.slice(1, 3));
  const said = ["0", "1", "2", "3", "4"];
  const spoken = await threads.create({ messages: said.map((content) => ({ role: "user", content })) });
  assert.deepEqual((await all(messages.list(spoken.id, { limit: 2, order: "asc" }))).map(textOf), said);
  const { id } = await thread("Hello");
  const ran = [];
  for (let n = 0; n < 5; n++) ran.push((await runs.createAndPoll(id, { assistant_id: made[0] })).id);
  const sizes = (await all((await runs.list(id, { limit: 2 })).iterPages())).map((page) => page.data.length);
  assert.deepEqual(sizes, [2, 2, 1]);
  assert.deepEqual(ids(await all(runs.list(id, { limit: 2 }))), ran.toReversed());
  const before = await runs.list(id, { limit: 2, order: "asc", before: ran[3] });
  assert.deepEqual(ids(before.data), ran.slice(1, 3));
});

check("what is listed can be deleted on the way", async () => {
  const made = new Set();
  for (let n = 0; n < 5; n++) made.add((await assistant()).id);
  // Only those: whoever runs this against a server of their own keeps what is there.
  for await (const one of assistants.list({ limit: 2 })) {
    if (made.has(one.id)) await assistants.delete(one.id);
  }
  assert.ok(!ids(await all(assistants.list())).some((id) => made.has(id)));
  const said = ["0", "1", "2", "3", "4"].map((content) => ({ role: "user", content }));
  const { id } = await threads.create({ messages: said });
  for await (const message of messages.list(id, { limit: 2, order: "asc" })) {
    await messages.delete(message.id, { thread_id: id });
  }
  assert.deepEqual((await messages.list(id)).data, []);
});
