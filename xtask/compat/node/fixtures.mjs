// Objects for the checks.

import assert from "node:assert/strict";
import { client } from "./harness.mjs";

export const { assistants, threads } = client.beta;
export const { messages, runs } = threads;
export const { steps } = runs;

export const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Returns the current weather in a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};
const QUESTION = "What is the weather in Paris?";

export const assistant = (tools = [], at = client) =>
  at.beta.assistants.create({ model: "offline", name: "Tester", tools });

export const thread = (text = QUESTION, at = client) =>
  at.beta.threads.create({ messages: [{ role: "user", content: text }] });

/** The arguments of a run of a new assistant on a new thread. */
export async function runArguments(text, tools) {
  return [(await thread(text)).id, { assistant_id: (await assistant(tools)).id }];
}

/** A run that waits for the output of its only call. */
export async function waitingRun(at = client) {
  const { id } = await thread(QUESTION, at);
  const { id: assistant_id } = await assistant([WEATHER], at);
  const run = await at.beta.threads.runs.createAndPoll(id, { assistant_id });
  assert.equal(run.status, "requires_action");
  return run;
}

export const callsOf = (run) => run.required_action.submit_tool_outputs.tool_calls;

/** The arguments to submit the outputs that a run waits for. */
export const outputs = (run, text = "18 degrees") => ({
  thread_id: run.thread_id,
  tool_outputs: callsOf(run).map((call) => ({ tool_call_id: call.id, output: text })),
});

export const textOf = (message) => message.content[0].text.value;

/** The text of the message that a run created. */
export async function messageText(run) {
  return textOf((await messages.list(run.thread_id, { run_id: run.id })).data[0]);
}
