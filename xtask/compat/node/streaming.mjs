// Streams of events, raw and with the helpers that make messages and steps of them.

import assert from "node:assert/strict";
import { all, topic } from "./gate.mjs";
import {
  WEATHER,
  assistant,
  callsOf,
  messages,
  outputs,
  place,
  runs,
  steps,
  textOf,
  threads,
  waitingRun,
} from "./given.mjs";

const check = topic("streaming");
const PLAIN = `thread.run.created thread.run.queued thread.run.in_progress
thread.run.step.created thread.run.step.in_progress thread.message.created thread.message.in_progress
thread.message.delta thread.message.completed thread.run.step.completed thread.run.completed`.split(/\s+/);
const CALLING = [...PLAIN.slice(0, 5), "thread.run.step.delta", "thread.run.requires_action"];
const RESUMED = ["thread.run.step.completed", ...PLAIN.slice(1)];

/** The names, each row of deltas as one. */
const once = (names) => names.filter((name, at) => !(name === names[at - 1] && /delta$/i.test(name)));
const names = (events) => once(events.map((event) => event.event));
const dataOf = (events, name) => events.filter((event) => event.event === name).map((event) => event.data);
const said = (events) =>
  dataOf(events, "thread.message.delta")
    .map((data) => data.delta.content[0].text.value)
    .join("");

check("create streams its events in order", async () => {
  const [thread_id, helper] = await place("Hello");
  const events = await all(await runs.create(thread_id, { ...helper, stream: true }));
  assert.deepEqual(names(events), PLAIN);
  const [message] = dataOf(events, "thread.message.completed");
  assert.equal(textOf(message), said(events));
  assert.match(said(events), /Hello/);
});

check("create and run streams its thread first", async () => {
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

check("submit tool outputs streams on", async () => {
  const [thread_id, helper] = await place(undefined, [WEATHER]);
  const events = await all(await runs.create(thread_id, { ...helper, stream: true }));
  assert.deepEqual(names(events), CALLING);
  const run = events.at(-1).data;
  const deltas = dataOf(events, "thread.run.step.delta").map((data) => data.delta.step_details.tool_calls[0]);
  assert.equal(deltas.map((call) => call.function.arguments).join(""), callsOf(run)[0].function.arguments);
  const more = await all(await runs.submitToolOutputs(run.id, { ...outputs(run), stream: true }));
  assert.deepEqual(names(more), RESUMED);
  assert.match(said(more), /18 degrees/);
});

const CALLBACKS = `connect run messageCreated messageDelta messageDone runStepCreated runStepDelta runStepDone
toolCallCreated toolCallDelta toolCallDone textCreated textDelta textDone event end`.split(/\s+/);

/** Which callbacks a stream called, and what each was given last. */
async function recorded(stream) {
  const called = [];
  const given = {};
  for (const name of CALLBACKS) {
    stream.on(name, (...values) => {
      called.push(name);
      given[name] = structuredClone(values);
    });
  }
  await stream.done();
  return { called, given };
}

/** The callbacks in order, without those that are not asked about. */
const without = (called, ...names) => once(called.filter((name) => ![...names, "event"].includes(name)));

check("callbacks tell of an answer", async () => {
  const { called, given } = await recorded(runs.stream(...(await place("Hello"))));
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
  const [delta, snapshot] = given.textDelta;
  const [text] = given.textDone;
  assert.equal(snapshot.value, text.value);
  assert.equal(textOf(given.messageDone[0]), text.value);
  assert.ok(text.value.endsWith(delta.value) && text.value.includes("Hello"));
  const count = (name) => called.filter((one) => one === name).length;
  assert.equal(count("event"), count("textDelta") + PLAIN.length - 1);
  assert.equal(textOf(given.messageDelta[1]), text.value);
  assert.equal(given.runStepDone[0].status, "completed");
});

check("callbacks tell of a tool call", async () => {
  const stream = runs.stream(...(await place(undefined, [WEATHER])));
  const { called, given } = await recorded(stream);
  assert.deepEqual(without(called, "toolCallDelta", "runStepDelta"), [
    "connect",
    "runStepCreated",
    "toolCallCreated",
    "toolCallDone",
    "run",
    "end",
  ]);
  const [call] = given.toolCallDone;
  assert.equal(call.function.arguments, '{"city":"Paris"}');
  assert.match(call.id, /^call_/);
  const run = await stream.finalRun();
  const resumed = await recorded(runs.submitToolOutputsStream(run.id, outputs(run)));
  assert.deepEqual(without(resumed.called).slice(0, 2), ["connect", "runStepDone"]);
  assert.match(resumed.given.textDone[0].value, /18 degrees/);
});

check("no callback is left out", async () => {
  const answer = await recorded(runs.stream(...(await place("Hello"))));
  const call = await recorded(runs.stream(...(await place(undefined, [WEATHER]))));
  const called = new Set([...answer.called, ...call.called]);
  assert.deepEqual([...called].sort(), CALLBACKS.toSorted());
});

check("snapshots equal what is retrieved", async () => {
  const stream = runs.stream(...(await place("Hello")));
  let text = "";
  stream.on("textDelta", (delta) => (text += delta.value));
  const run = await stream.finalRun();
  const [message] = await stream.finalMessages();
  const [step] = await stream.finalRunSteps();
  const where = { thread_id: run.thread_id };
  assert.equal(textOf(message), text);
  assert.match(text, /Hello/);
  assert.deepEqual(await messages.retrieve(message.id, where), message);
  assert.deepEqual(await runs.retrieve(run.id, where), run);
  assert.equal(run.status, "completed");
  const stored = await steps.retrieve(step.id, { ...where, run_id: run.id });
  assert.deepEqual([stored.step_details, stored.status], [step.step_details, "completed"]);
});

check("create and run stream opens a thread", async () => {
  const stream = threads.createAndRunStream({
    assistant_id: (await assistant()).id,
    thread: { messages: [{ role: "user", content: "Good evening" }] },
  });
  const events = await all(stream);
  assert.deepEqual(names(events), ["thread.created", ...PLAIN]);
  assert.equal((await stream.finalRun()).status, "completed");
  assert.match(said(events), /Good evening/);
});

check("submit tool outputs stream ends when the run does", async () => {
  const run = await waitingRun();
  const stream = runs.submitToolOutputsStream(run.id, outputs(run, "21 degrees"));
  const events = await all(stream);
  const final = await stream.finalRun();
  assert.deepEqual(names(events), RESUMED);
  assert.deepEqual([final.id, final.status], [run.id, "completed"]);
  assert.match(said(events), /21 degrees/);
});

check("a run goes on when its stream is left", async () => {
  let created;
  for await (const event of runs.stream(...(await place("Hello")))) {
    created = event.data;
    break;
  }
  const run = await runs.poll(created.id, { thread_id: created.thread_id });
  assert.equal(run.status, "completed");
  assert.ok(run.usage.total_tokens > 0);
});

check("a deleted thread ends its stream", async () => {
  const events = [];
  for await (const event of runs.stream(...(await place("Hello")))) {
    if (events.length === 0) await threads.delete(event.data.thread_id);
    events.push(event);
  }
  const last = events.at(-1).event;
  assert.ok(["thread.run.cancelled", "thread.run.completed"].includes(last), last);
});
