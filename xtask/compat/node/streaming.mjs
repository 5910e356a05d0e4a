// Event streams, raw and with the helpers that accumulate messages and steps.

import assert from "node:assert/strict";
import { all, topic } from "./harness.mjs";
import {
  WEATHER,
  assistant,
  callsOf,
  messages,
  outputs,
  runArguments,
  runs,
  steps,
  textOf,
  threads,
  waitingRun,
} from "./fixtures.mjs";

const check = topic("streaming");
const PLAIN = `thread.run.created thread.run.queued thread.run.in_progress
thread.run.step.created thread.run.step.in_progress thread.message.created thread.message.in_progress
thread.message.delta thread.message.completed thread.run.step.completed thread.run.completed`.split(/\s+/);
const CALLING = [...PLAIN.slice(0, 5), "thread.run.step.delta", "thread.run.requires_action"];
const RESUMED = ["thread.run.step.completed", ...PLAIN.slice(1)];

/** Merges successive deltas of the same name. */
const mergeDeltas = (names) => names.filter((name, at) => !(name === names[at - 1] && /delta$/i.test(name)));
const names = (events) => mergeDeltas(events.map((event) => event.event));
const dataOf = (events, name) => events.filter((event) => event.event === name).map((event) => event.data);
const textOfDeltas = (events) =>
  dataOf(events, "thread.message.delta")
    .map((data) => data.delta.content[0].text.value)
    .join("");

check("create streams its events in order", async () => {
  const [thread_id, params] = await runArguments("Hello");
  const events = await all(await runs.create(thread_id, { ...params, stream: true }));
  assert.deepEqual(names(events), PLAIN);
  const [message] = dataOf(events, "thread.message.completed");
  assert.equal(textOf(message), textOfDeltas(events));
  assert.match(textOfDeltas(events), /Hello/);
});

check("create and run streams the thread first", async () => {
  const events = await all(
    await threads.createAndRun({
      assistant_id: (await assistant()).id,
      thread: { messages: [{ role: "user", content: "Hello" }] },
      stream: true,
    }),
  );
  assert.deepEqual(names(events), ["thread.created", ...PLAIN]);
  assert.equal(events[0].data.id, events.at(-1).data.thread_id);
});

check("submit tool outputs continues the stream", async () => {
  const [thread_id, params] = await runArguments(undefined, [WEATHER]);
  const events = await all(await runs.create(thread_id, { ...params, stream: true }));
  assert.deepEqual(names(events), CALLING);
  const run = events.at(-1).data;
  const deltas = dataOf(events, "thread.run.step.delta").map((data) => data.delta.step_details.tool_calls[0]);
  assert.equal(deltas.map((call) => call.function.arguments).join(""), callsOf(run)[0].function.arguments);
  const continued = await all(await runs.submitToolOutputs(run.id, { ...outputs(run), stream: true }));
  assert.deepEqual(names(continued), RESUMED);
  assert.match(textOfDeltas(continued), /18 degrees/);
});

const CALLBACKS = `connect run messageCreated messageDelta messageDone runStepCreated runStepDelta runStepDone
toolCallCreated toolCallDelta toolCallDone textCreated textDelta textDone event end`.split(/\s+/);

/** Records the callbacks of a stream, and their last arguments. */
async function recorded(stream) {
  const called = [];
  const lastArguments = {};
  for (const name of CALLBACKS) {
    stream.on(name, (...values) => {
      called.push(name);
      lastArguments[name] = structuredClone(values);
    });
  }
  await stream.done();
  return { called, lastArguments };
}

/** The callbacks in order, without some of them. */
const without = (called, ...names) =>
  mergeDeltas(called.filter((name) => ![...names, "event"].includes(name)));

check("callbacks report a message", async () => {
  const { called, lastArguments } = await recorded(runs.stream(...(await runArguments("Hello"))));
  assert.deepEqual(without(called, "messageDelta", "textDelta"), [
    "connect",
    "runStepCreated",
    "messageCreated",
    "textCreated",
    "textDone",
    "messageDone",
    "runStepDone",
    "run",
    "end",
  ]);
  const [delta, snapshot] = lastArguments.textDelta;
  const [text] = lastArguments.textDone;
  assert.equal(snapshot.value, text.value);
  assert.equal(textOf(lastArguments.messageDone[0]), text.value);
  assert.ok(text.value.endsWith(delta.value) && text.value.includes("Hello"));
  const count = (name) => called.filter((other) => other === name).length;
  assert.equal(count("event"), count("textDelta") + PLAIN.length - 1);
  assert.equal(textOf(lastArguments.messageDelta[1]), text.value);
  assert.equal(lastArguments.runStepDone[0].status, "completed");
});

check("callbacks report a tool call", async () => {
  const stream = runs.stream(...(await runArguments(undefined, [WEATHER])));
  const { called, lastArguments } = await recorded(stream);
  assert.deepEqual(without(called, "toolCallDelta", "runStepDelta"), [
    "connect",
    "runStepCreated",
    "toolCallCreated",
    "toolCallDone",
    "run",
    "end",
  ]);
  const [call] = lastArguments.toolCallDone;
  assert.equal(call.function.arguments, '{"city":"Paris"}');
  assert.match(call.id, /^call_/);
  const run = await stream.finalRun();
  const resumed = await recorded(runs.submitToolOutputsStream(run.id, outputs(run)));
  assert.deepEqual(without(resumed.called).slice(0, 2), ["connect", "runStepDone"]);
  assert.match(resumed.lastArguments.textDone[0].value, /18 degrees/);
});

check("all callbacks are called", async () => {
  const message = await recorded(runs.stream(...(await runArguments("Hello"))));
  const call = await recorded(runs.stream(...(await runArguments(undefined, [WEATHER]))));
  const called = new Set([...message.called, ...call.called]);
  assert.deepEqual([...called].sort(), CALLBACKS.toSorted());
});

check("snapshots equal retrieved objects", async () => {
  const stream = runs.stream(...(await runArguments("Hello")));
  let text = "";
  stream.on("textDelta", (delta) => (text += delta.value));
  const run = await stream.finalRun();
  const [message] = await stream.finalMessages();
  const [step] = await stream.finalRunSteps();
  const params = { thread_id: run.thread_id };
  assert.equal(textOf(message), text);
  assert.match(text, /Hello/);
  assert.deepEqual(await messages.retrieve(message.id, params), message);
  assert.deepEqual(await runs.retrieve(run.id, params), run);
  assert.equal(run.status, "completed");
  const stored = await steps.retrieve(step.id, { ...params, run_id: run.id });
  assert.deepEqual([stored.step_details, stored.status], [step.step_details, "completed"]);
});

check("create and run stream creates a thread", async () => {
  const stream = threads.createAndRunStream({
    assistant_id: (await assistant()).id,
    thread: { messages: [{ role: "user", content: "Good evening" }] },
  });
  const events = await all(stream);
  assert.deepEqual(names(events), ["thread.created", ...PLAIN]);
  assert.equal((await stream.finalRun()).status, "completed");
  assert.match(textOfDeltas(events), /Good evening/);
});

check("submit tool outputs stream ends with the run", async () => {
  const run = await waitingRun();
  const stream = runs.submitToolOutputsStream(run.id, outputs(run, "21 degrees"));
  const events = await all(stream);
  const final = await stream.finalRun();
  assert.deepEqual(names(events), RESUMED);
  assert.deepEqual([final.id, final.status], [run.id, "completed"]);
  assert.match(textOfDeltas(events), /21 degrees/);
});

check("a run continues after its stream is closed", async () => {
  let created;
  for await (const event of runs.stream(...(await runArguments("Hello")))) {
    created = event.data;
    break;
  }
  const run = await runs.poll(created.id, { thread_id: created.thread_id });
  assert.equal(run.status, "completed");
  assert.ok(run.usage.total_tokens > 0);
});

check("a deleted thread ends its stream", async () => {
  const events = [];
  for await (const event of runs.stream(...(await runArguments("Hello")))) {
    if (events.length === 0) await threads.delete(event.data.thread_id);
    events.push(event);
  }
  const last = events.at(-1).event;
  assert.ok(["thread.run.cancelled", "thread.run.completed"].includes(last), last);
});
