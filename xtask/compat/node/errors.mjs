// Refusals as the client's own exceptions.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { refused, topic } from "./gate.mjs";
import { assistant, assistants, messages, outputs, runs, thread, threads, waitingRun } from "./given.mjs";

const check = topic("errors");

async function badRequest(part, call) {
  const error = await refused(OpenAI.BadRequestError, 400, part, call);
  assert.equal(error.type, "invalid_request_error");
  return error;
}

const notFound = (part, call) => refused(OpenAI.NotFoundError, 404, part, call);

check("what is not there is not found", async () => {
  const run = await waitingRun();
  const { thread_id } = run;
  await notFound("No thread found with id 'thread_x'.", () => threads.retrieve("thread_x"));
  await notFound("No assistant found with id 'asst_x'.", () => assistants.retrieve("asst_x"));
  await notFound("No message found with id 'msg_x'.", () => messages.retrieve("msg_x", { thread_id }));
  await notFound("No run found with id 'run_x'.", () => runs.retrieve("run_x", { thread_id }));
  await notFound("No run found", () => runs.submitToolOutputs("run_x", outputs(run)));
  const elsewhere = (await thread()).id;
  await notFound("No assistant found", () => runs.create(elsewhere, { assistant_id: "asst_x" }));
  await notFound(`No run found with id '${run.id}'.`, () => runs.retrieve(run.id, { thread_id: elsewhere }));
});

check("what cannot be is a bad request", async () => {
  const { id } = await thread();
  const helper = { assistant_id: (await assistant()).id };
  const runWith = (given) => () => runs.create(id, { ...helper, ...given });
  assert.equal((await badRequest("Invalid 'temperature'", runWith({ temperature: 3 }))).param, "temperature");
  let wrong = await badRequest("parallel_tool_calls", runWith({ parallel_tool_calls: null }));
  assert.deepEqual([wrong.code, wrong.param], ["invalid_type", "parallel_tool_calls"]);
  wrong = await badRequest("code_interpreter", () => assistant([{ type: "code_interpreter" }]));
  assert.equal(wrong.param, "tools[0].type");
  const tool_resources = { file_search: { vector_store_ids: ["vs_1"] } };
  wrong = await badRequest("tool resources", () => threads.update(id, { tool_resources }));
  assert.equal(wrong.param, "tool_resources.file_search");
  assert.equal((await badRequest("asst_x", () => assistants.list({ after: "asst_x" }))).param, "after");
  assert.equal((await badRequest("limit", () => assistants.list({ limit: 101 }))).param, "limit");
  const metadata = Object.fromEntries(Array.from({ length: 17 }, (_, number) => [number, ""]));
  assert.equal((await badRequest("metadata", () => threads.create({ metadata }))).param, "metadata");
});

check("a busy thread takes nothing else", async () => {
  const { id, thread_id, assistant_id } = await waitingRun();
  await badRequest(`Thread ${thread_id} already has an active run ${id}.`, () =>
    runs.create(thread_id, { assistant_id }),
  );
  await badRequest(`Can't add messages to ${thread_id} while a run ${id} is active.`, () =>
    messages.create(thread_id, { role: "user", content: "Hurry" }),
  );
  const [asked] = (await messages.list(thread_id)).data;
  await badRequest(`Can't delete messages from ${thread_id} while a run ${id} is active.`, () =>
    messages.delete(asked.id, { thread_id }),
  );
  assert.ok((await threads.delete(thread_id)).deleted);
  await notFound("No thread found", () => runs.cancel(id, { thread_id }));
});

check("a run takes the outputs it waits for", async () => {
  const run = await waitingRun();
  const { thread_id } = run;
  const right = outputs(run);
  const [output] = right.tool_outputs;
  const call = output.tool_call_id;
  const submit = (tool_outputs) => () => runs.submitToolOutputs(run.id, { thread_id, tool_outputs });
  await badRequest(`Expected tool outputs for call_ids ['${call}'], got []`, submit([]));
  await badRequest(`Duplicate call_ids submitted: ['${call}', '${call}']`, submit([output, output]));
  await runs.submitToolOutputsAndPoll(run.id, right);
  await badRequest('Runs in status "completed" do not accept tool outputs.', submit([output]));
  await badRequest("Cannot cancel run with status 'completed'.", () => runs.cancel(run.id, { thread_id }));
});

check("a refused stream is an error and no stream", async () => {
  const { id, thread_id, assistant_id } = await waitingRun();
  await badRequest(`Thread ${thread_id} already has an active run ${id}.`, () =>
    runs.create(thread_id, { assistant_id, stream: true }),
  );
  await notFound("No thread found with id 'thread_x'.", () =>
    runs.stream("thread_x", { assistant_id }).done(),
  );
});
