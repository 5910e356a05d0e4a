// The assistants of LangChain for JavaScript.

import assert from "node:assert/strict";
import { tool } from "@langchain/core/tools";
import { AgentExecutor } from "langchain/agents";
import { OpenAIAssistantRunnable } from "langchain/experimental/openai_assistant";
import { ANSWER, assertWeather, check, getWeather, run } from "./harness.mjs";

const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const FUNCTION = {
  type: "function",
  function: { name: "get_weather", description: "Returns the weather.", parameters: schema },
};
const settings = { model: "gpt-4o", name: "Tester", instructions: "Be brief." };

check("run completes", async () => {
  const agent = await OpenAIAssistantRunnable.createAssistant(settings);
  const [message] = await agent.invoke({ content: "Hello" });
  assert.equal(message.content[0].text.value, ANSWER);
});

check("function is called", async () => {
  const agent = await OpenAIAssistantRunnable.createAssistant({ ...settings, tools: [FUNCTION], asAgent: true });
  const weather = tool(getWeather, { name: "get_weather", description: "Returns the weather.", schema });
  const executor = AgentExecutor.fromAgentAndTools({ agent, tools: [weather] });
  assertWeather((await executor.invoke({ content: "The weather in Paris?" })).output);
});

check("code interpreter runs", async () => {
  const tools = [{ type: "code_interpreter" }];
  const agent = await OpenAIAssistantRunnable.createAssistant({ ...settings, tools });
  const [message] = await agent.invoke({ content: "Compute." });
  assert.deepEqual(message.content[0].text.annotations.map(({ type }) => type), ["file_path"]);
});

await run("langchain");
