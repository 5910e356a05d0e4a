// The assistants client of Azure OpenAI, which asks for `assistants=v1`.

import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { AssistantsClient, AzureKeyCredential } from "@azure/openai-assistants";
import { ANSWER, assertWeather, check, getWeather, run } from "./harness.mjs";

const { AZURE_ENDPOINT, OPENAI_API_KEY } = process.env;
const credential = new AzureKeyCredential(OPENAI_API_KEY);
const client = new AssistantsClient(AZURE_ENDPOINT, credential, { allowInsecureConnection: true });
const FUNCTION = {
  name: "get_weather",
  description: "Returns the weather of a city.",
  parameters: { type: "object", properties: { city: { type: "string" } } },
};

async function finished(run) {
  while (["queued", "in_progress"].includes(run.status)) {
    await wait(50);
    run = await client.getRun(run.threadId, run.id);
  }
  return run;
}

async function started(text, tools = []) {
  const assistant = await client.createAssistant({ model: "gpt-4o", name: "Tester", tools });
  const thread = await client.createThread();
  await client.createMessage(thread.id, "user", text);
  return finished(await client.createRun(thread.id, { assistantId: assistant.id }));
}

async function answerOf(run) {
  const { data } = await client.listMessages(run.threadId);
  return data[0].content[0].text.value;
}

check("run completes", async () => {
  const run = await started("Hello");
  assert.equal(run.status, "completed");
  assert.equal(await answerOf(run), ANSWER);
});

check("function is called", async () => {
  const run = await started("The weather in Paris?", [{ type: "function", function: FUNCTION }]);
  assert.equal(run.status, "requires_action");
  const outputs = run.requiredAction.submitToolOutputs.toolCalls.map((call) => ({
    toolCallId: call.id,
    output: getWeather(JSON.parse(call.function.arguments)),
  }));
  const submitted = await client.submitToolOutputsToRun(run.threadId, run.id, outputs);
  assertWeather(await answerOf(await finished(submitted)));
  const steps = await client.listRunSteps(run.threadId, run.id);
  assert.equal(steps.data.length, 2);
});

check("files are uploaded", async () => {
  const file = await client.uploadFile(new TextEncoder().encode("a,b"), "assistants", { filename: "data.csv" });
  assert.equal((await client.getFile(file.id)).filename, "data.csv");
  assert.ok((await client.deleteFile(file.id)).deleted);
});

await run("@azure/openai-assistants");
