// An application with both built-in tools, whose server has a provider of files and vector stores.

import assert from "node:assert/strict";
import { all, connect, topic } from "./harness.mjs";
import { WEATHER, callsOf } from "./fixtures.mjs";

const check = topic("application");
const { BUILT_IN_BASE_URL, BUILT_IN_API_KEY } = process.env;
const client = connect({ baseURL: BUILT_IN_BASE_URL, apiKey: BUILT_IN_API_KEY });
const { files, uploads, vectorStores } = client;
const { assistants, threads } = client.beta;
const { runs } = threads;
const TOOLS = [WEATHER, { type: "code_interpreter" }, { type: "file_search" }];
const MANUAL = "The manual says that at most 10 requests a second are allowed.";

const upload = (name = "manual.txt", content = MANUAL) =>
  files.create({ file: new File([content], name), purpose: "assistants" });

const contentOf = async (id) => (await files.content(id)).text();

/** An assistant with all tools, whose vector store has a manual. */
async function assistantWithStore() {
  const { id } = await assistants.create({
    model: "gpt-4o",
    instructions: "Answer from the manuals.",
    tools: TOOLS,
  });
  const store = await vectorStores.create({ name: "Manuals" });
  const file = await vectorStores.files.createAndPoll(store.id, { file_id: (await upload()).id });
  assert.equal(file.status, "completed");
  const tool_resources = { file_search: { vector_store_ids: [store.id] } };
  return [await assistants.update(id, { tool_resources }), store, file];
}

async function ask(assistant, content, message = {}) {
  const thread = await threads.create({ messages: [{ role: "user", content, ...message }] });
  return runs.createAndPoll(thread.id, { assistant_id: assistant.id });
}

async function answer(run) {
  const { data } = await threads.messages.list(run.thread_id, { run_id: run.id });
  return data[0].content[0].text;
}

check("files are uploaded listed read and deleted", async () => {
  const file = await upload("usage.csv", "day,requests");
  assert.deepEqual([file.filename, file.bytes, file.purpose], ["usage.csv", 12, "assistants"]);
  assert.deepEqual(await files.retrieve(file.id), file);
  const listed = await all(files.list({ purpose: "assistants" }));
  assert.ok(listed.some(({ id }) => id === file.id));
  assert.equal(await contentOf(file.id), "day,requests");
  assert.ok((await files.delete(file.id)).deleted);
});

check("uploads in parts become a file", async () => {
  const { id } = await uploads.create({
    bytes: 6,
    filename: "data.bin",
    mime_type: "text/plain",
    purpose: "assistants",
  });
  const part_ids = [];
  for (const text of ["abc", "def"]) {
    part_ids.push((await uploads.parts.create(id, { data: new File([text], "part") })).id);
  }
  const { file } = await uploads.complete(id, { part_ids });
  assert.equal(await contentOf(file.id), "abcdef");
});

check("a vector store is attached by an update", async () => {
  const [assistant, store, file] = await assistantWithStore();
  assert.deepEqual(assistant.tool_resources.file_search.vector_store_ids, [store.id]);
  const listed = await vectorStores.files.list(store.id);
  assert.deepEqual(listed.data.map(({ id }) => id), [file.id]);
  assert.equal((await vectorStores.retrieve(store.id)).file_counts.completed, 1);
  const { data } = await vectorStores.search(store.id, { query: "manual" });
  assert.deepEqual(data.map(({ file_id }) => file_id), [file.id]);
});

check("a run with both tools is streamed with citations and an image", async () => {
  const [assistant, , file] = await assistantWithStore();
  const { id } = await threads.create({
    messages: [{ role: "user", content: "Compute what the manual says." }],
  });
  const deltas = [];
  const stream = runs.stream(id, { assistant_id: assistant.id });
  stream.on("textDelta", (delta) => deltas.push(delta.value));
  const run = await stream.finalRun();
  assert.equal(run.status, "completed");
  const steps = (await stream.finalRunSteps()).filter(({ type }) => type === "tool_calls");
  const calls = steps.flatMap((step) => step.step_details.tool_calls);
  assert.deepEqual(calls.map(({ type }) => type), ["file_search", "code_interpreter"]);
  const { input, outputs } = calls[1].code_interpreter;
  assert.deepEqual([input, outputs[0].logs], ["print(6 * 7)", "42\n"]);
  assert.match(await contentOf(outputs[1].image.file_id), /PNG/);
  const text = await answer(run);
  assert.equal(text.value, deltas.join(""));
  const [citation, path] = text.annotations;
  assert.equal(citation.file_citation.file_id, file.id);
  assert.equal(text.value.slice(citation.start_index, citation.end_index), citation.text);
  assert.match(await contentOf(path.file_path.file_id), /PNG/);
});

check("passages are included on demand", async () => {
  const [assistant] = await assistantWithStore();
  const run = await ask(assistant, "What does the manual say?");
  const included = ["step_details.tool_calls[*].file_search.results[*].content"];
  for (const include of [[], included]) {
    const query = { thread_id: run.thread_id, order: "asc", include };
    const [step] = (await runs.steps.list(run.id, query)).data;
    const [result] = step.step_details.tool_calls[0].file_search.results;
    const texts = (result.content ?? []).map(({ text }) => text);
    assert.deepEqual(texts, include.length ? [MANUAL] : []);
  }
});

check("attachments reach both tools", async () => {
  const assistant = await assistants.create({ model: "gpt-4o", tools: TOOLS });
  const file = await upload();
  const tools = [{ type: "file_search" }, { type: "code_interpreter" }];
  const attachments = [{ file_id: file.id, tools }];
  const run = await ask(assistant, "Compute what the manual says.", { attachments });
  const { annotations } = await answer(run);
  assert.deepEqual(annotations.map(({ type }) => type), ["file_citation", "file_path"]);
  const { tool_resources } = await threads.retrieve(run.thread_id);
  assert.deepEqual(tool_resources.code_interpreter.file_ids, [file.id]);
  assert.equal(tool_resources.file_search.vector_store_ids.length, 1);
});

check("a function is called beside the tools", async () => {
  const [assistant] = await assistantWithStore();
  const { id, thread_id, ...run } = await ask(assistant, "What is the weather?");
  const tool_outputs = callsOf(run).map((call) => ({ tool_call_id: call.id, output: "18 degrees" }));
  const ended = await runs.submitToolOutputsAndPoll(id, { thread_id, tool_outputs });
  assert.match((await answer(ended)).value, /18 degrees/);
});
