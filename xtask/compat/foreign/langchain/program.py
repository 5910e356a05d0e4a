"""The assistants of LangChain."""

import tempfile

import openai
from langchain.agents import AgentExecutor
from langchain.agents.openai_assistant import OpenAIAssistantRunnable
from langchain_community.agents.openai_assistant import OpenAIAssistantV2Runnable
from langchain_core.tools import tool

from harness import ANSWER, assert_weather, check, get_weather, manual, run

weather = tool(get_weather)


@check
def run_completes():
    assistant = OpenAIAssistantRunnable.create_assistant(
        name="Tester", instructions="Be brief.", tools=[], model="gpt-4o"
    )
    [message] = assistant.invoke({"content": "Hello"})
    assert message.content[0].text.value == ANSWER, message


@check
def function_is_called():
    agent = OpenAIAssistantV2Runnable.create_assistant(
        name="Tester", instructions="", tools=[weather], model="gpt-4o", as_agent=True
    )
    agent.check_every_ms = 50
    executor = AgentExecutor(agent=agent, tools=[weather])
    assert_weather(executor.invoke({"content": "The weather in Paris?"})["output"])


@check
def file_search_and_code_interpreter_run():
    client = openai.OpenAI()
    with tempfile.TemporaryDirectory() as folder, open(manual(folder), "rb") as content:
        file = client.files.create(file=content, purpose="assistants")
    agent = OpenAIAssistantV2Runnable.create_assistant(
        name="Tester",
        instructions="",
        tools=[{"type": "file_search"}, {"type": "code_interpreter"}],
        model="gpt-4o",
    )
    store = client.vector_stores.create(file_ids=[file.id])
    resources = {"file_search": {"vector_store_ids": [store.id]}}
    client.beta.assistants.update(agent.assistant_id, tool_resources=resources)
    [message] = agent.invoke({"content": "Compute what the manual says.", "file_ids": [file.id]})
    kinds = [annotation.type for annotation in message.content[0].text.annotations]
    assert kinds == ["file_citation", "file_path"], message


run("langchain")
