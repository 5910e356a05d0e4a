// What the checks begin with.

import assert from "node:assert/strict";
import { client } from "./gate.mjs";

export const { assistants, threads } = client.beta;
export const { messages, runs } = threads;
export const { steps } = runs;

export const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Tells the current weather in a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};
const QUESTION = "What is the weather in Paris?";

export const assistant = (tools = [], at = client) =>
  at.beta.assistants.create({ model: "offline", name: "Tester", tools });

export const thread = (text = QUESTION, at = client) =>
  at.beta.threads.create({ messages: [{ role: "user", content: text }] });

/** The identifiers that a run of a new assistant on a new thread is created with. */
export async function place(text, tools) {
  return [(await thread(text)).id, { assistant_id: (await assistant(tools)).id }];
}

/** A run that waits for the output of its one call. */
export async function waitingRun(at = client) {
  const { id } = await thread(QUESTION, at);
  const helper = await assistant([WEATHER], at);
  const run = await at.beta.threads.runs.createAndPoll(id, { assistant_id: helper.id });
  assert.equal(run.status, "requires_action");
  return run;
}

export const callsOf = (run) => run.required_action.submit_tool_outputs.tool_calls;

/** What a run waits for, and where. */
export const outputs = (run, text = "18 degrees") => ({
  thread_id: run.thread_id,
  tool_outputs: callsOf(run).map((call) => ({ tool_call_id: call.id, output: text })),
});

export const textOf = (message) => message.content[0].text.value;

/** What the assistant said in a run. */
export async function answer(run) {
  return textOf((await messages.list(run.thread_id, { run_id: run.id })).data[0]);
}
