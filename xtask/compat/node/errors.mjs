// Error responses as exceptions of the client.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { expectError, topic } from "./harness.mjs";
import { assistant, assistants, messages, outputs, runs, thread, threads, waitingRun } from "./fixtures.mjs";

const check = topic("errors");

async function badRequest(part, call) {
  const error = await expectError(OpenAI.BadRequestError, 400, part, call);
  assert.equal(error.type, "invalid_request_error");
  return error;
}

const notFound = (part, call) => expectError(OpenAI.NotFoundError, 404, part, call);

check("unknown ids are not found", async () => {
  const run = await waitingRun();
  const { thread_id } = run;
  await notFound("No thread found with id 'thread_x'.", () => threads.retrieve("thread_x"));
  await notFound("No assistant found with id 'asst_x'.", () => assistants.retrieve("asst_x"));
  await notFound("No message found with id 'msg_x'.", () => messages.retrieve("msg_x", { thread_id }));
  await notFound("No run found with id 'run_x'.", () => runs.retrieve("run_x", { thread_id }));
  await notFound("No run found", () => runs.submitToolOutputs("run_x", outputs(run)));
  const other = (await thread()).id;
  await notFound("No assistant found", () => runs.create(other, { assistant_id: "asst_x" }));
  await notFound(`No run found with id '${run.id}'.`, () => runs.retrieve(run.id, { thread_id: other }));
});

check("invalid parameters are a bad request", async () => {
  const { id } = await thread();
  const assistant_id = (await assistant()).id;
  const runWith = (parameters) => () => runs.create(id, { assistant_id, ...parameters });
  assert.equal((await badRequest("Invalid 'temperature'", runWith({ temperature: 3 }))).param, "temperature");
  let error = await badRequest("parallel_tool_calls", runWith({ parallel_tool_calls: "yes" }));
  assert.deepEqual([error.code, error.param], ["invalid_type", "parallel_tool_calls"]);
  error = await badRequest("code_interpreter", () => assistant([{ type: "code_interpreter" }]));
  assert.equal(error.param, "tools[0].type");
  const tool_resources = { file_search: { vector_store_ids: ["vs_1"] } };
  error = await badRequest("tool resources", () => threads.update(id, { tool_resources }));
  assert.equal(error.param, "tool_resources.file_search");
  assert.equal((await badRequest("asst_x", () => assistants.list({ after: "asst_x" }))).param, "after");
  assert.equal((await badRequest("limit", () => assistants.list({ limit: 101 }))).param, "limit");
  const metadata = Object.fromEntries(Array.from({ length: 17 }, (_, number) => [number, ""]));
  assert.equal((await badRequest("metadata", () => threads.create({ metadata }))).param, "metadata");
});

check("a thread with an active run is locked", async () => {
  const { id, thread_id, assistant_id } = await waitingRun();
  await badRequest(`Thread ${thread_id} already has an active run ${id}.`, () =>
    runs.create(thread_id, { assistant_id }),
  );
  await badRequest(`Can't add messages to ${thread_id} while a run ${id} is active.`, () =>
    messages.create(thread_id, { role: "user", content: "Hurry" }),
  );
  const [message] = (await messages.list(thread_id)).data;
  await badRequest(`Can't delete messages from ${thread_id} while a run ${id} is active.`, () =>
    messages.delete(message.id, { thread_id }),
  );
  assert.ok((await threads.delete(thread_id)).deleted);
  await notFound("No thread found", () => runs.cancel(id, { thread_id }));
});

check("tool outputs must match the pending calls", async () => {
  const run = await waitingRun();
  const { thread_id } = run;
  const valid = outputs(run);
  const [output] = valid.tool_outputs;
  const call = output.tool_call_id;
  const submit = (tool_outputs) => () => runs.submitToolOutputs(run.id, { thread_id, tool_outputs });
  await badRequest(`Expected tool outputs for call_ids ['${call}'], got []`, submit([]));
  await badRequest(`Duplicate call_ids submitted: ['${call}', '${call}']`, submit([output, output]));
  await runs.submitToolOutputsAndPoll(run.id, valid);
  await badRequest('Runs in status "completed" do not accept tool outputs.', submit([output]));
  await badRequest("Cannot cancel run with status 'completed'.", () => runs.cancel(run.id, { thread_id }));
});

check("a rejected stream is an error", async () => {
  const { id, thread_id, assistant_id } = await waitingRun();
  await badRequest(`Thread ${thread_id} already has an active run ${id}.`, () =>
    runs.create(thread_id, { assistant_id, stream: true }),
  );
  await notFound("No thread found with id 'thread_x'.", () =>
    runs.stream("thread_x", { assistant_id }).done(),
  );
});
