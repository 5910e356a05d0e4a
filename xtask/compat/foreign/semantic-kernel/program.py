"""The assistant agents of Semantic Kernel, for OpenAI and for Azure OpenAI."""

import asyncio

from semantic_kernel.agents import AzureAssistantAgent, OpenAIAssistantAgent
from semantic_kernel.functions import kernel_function

import harness
from harness import ANSWER, API_KEY, AZURE_TLS_ENDPOINT, assert_weather, check


class Weather:
    @kernel_function(description="Returns the weather of a city.")
    def get_weather(self, city: str) -> str:
        return harness.get_weather(city)


def openai_client():
    return OpenAIAssistantAgent.create_client(ai_model_id="gpt-4o", api_key=API_KEY)


def azure_client():
    return AzureAssistantAgent.create_client(
        deployment_name="gpt-4o", endpoint=AZURE_TLS_ENDPOINT, api_key=API_KEY, api_version="2024-05-01-preview"
    )


async def ask(kind, client, text, streamed=False, **fields):
    definition = await client.beta.assistants.create(model="gpt-4o", name="Tester", **fields)
    agent = kind(client=client, definition=definition, plugins=[Weather()])
    if streamed:
        parts = [str(part.content) async for part in agent.invoke_stream(messages=text)]
        return "".join(parts)
    response = await agent.get_response(messages=text)
    return str(response.content)


@check
def run_completes():
    assert asyncio.run(ask(OpenAIAssistantAgent, openai_client(), "Hello")) == ANSWER


@check
def run_is_streamed():
    assert asyncio.run(ask(OpenAIAssistantAgent, openai_client(), "Hello", streamed=True)) == ANSWER


@check
def function_is_called():
    assert_weather(asyncio.run(ask(OpenAIAssistantAgent, openai_client(), "The weather in Paris?")))


@check
def azure_run_completes():
    assert asyncio.run(ask(AzureAssistantAgent, azure_client(), "Hello")) == ANSWER


@check
def azure_function_is_called():
    assert_weather(asyncio.run(ask(AzureAssistantAgent, azure_client(), "The weather in Paris?")))


@check
def code_interpreter_runs():
    tools, resources = AzureAssistantAgent.configure_code_interpreter_tool()
    fields = {"tools": tools, "tool_resources": resources}
    assert "Hello" in asyncio.run(ask(AzureAssistantAgent, azure_client(), "Compute.", **fields))


harness.run("semantic-kernel")
