"""The agents of Azure AI Foundry, which demand https."""

import tempfile
import time

from azure.ai.agents import AgentsClient
from azure.ai.agents.models import (
    CodeInterpreterTool,
    FilePurpose,
    FileSearchTool,
    FunctionTool,
    ListSortOrder,
    ToolSet,
)
from azure.core.credentials import AccessToken

import harness
from harness import ANSWER, API_KEY, AZURE_TLS_ENDPOINT, CA_FILE, assert_weather, check, manual, run


class Credential:
    """The server takes the key as a token of Entra ID."""

    def get_token(self, *scopes, **_):
        return AccessToken(API_KEY, int(time.time()) + 3600)


client = AgentsClient(
    endpoint=f"{AZURE_TLS_ENDPOINT}/api/projects/tests", credential=Credential(), connection_verify=CA_FILE
)


def get_weather(city: str) -> str:
    """
    Returns the weather of a city.

    :param city: The city.
    :return: The weather.
    """
    return harness.get_weather(city)


def ask(text, **fields):
    agent = client.create_agent(model="gpt-4o", name="tester", instructions="Be brief.", **fields)
    thread = client.threads.create()
    client.messages.create(thread_id=thread.id, role="user", content=text)
    run = client.runs.create_and_process(thread_id=thread.id, agent_id=agent.id, polling_interval=0.05)
    assert run.status == "completed", run.last_error
    messages = list(client.messages.list(thread_id=thread.id, order=ListSortOrder.DESCENDING))
    client.delete_agent(agent.id)
    return messages[0]


@check
def run_completes():
    assert ask("Hello").text_messages[0].text.value == ANSWER


@check
def run_is_streamed():
    agent = client.create_agent(model="gpt-4o", name="tester")
    thread = client.threads.create()
    client.messages.create(thread_id=thread.id, role="user", content="Hello")
    with client.runs.stream(thread_id=thread.id, agent_id=agent.id) as stream:
        deltas = [data.text for _, data, _ in stream if type(data).__name__ == "MessageDeltaChunk"]
    assert "".join(deltas) == ANSWER, deltas


@check
def function_is_called():
    tools = ToolSet()
    tools.add(FunctionTool({get_weather}))
    client.enable_auto_function_calls(tools)
    assert_weather(ask("The weather in Paris?", toolset=tools).text_messages[0].text.value)


@check
def file_search_and_code_interpreter_run():
    with tempfile.TemporaryDirectory() as folder:
        file = client.files.upload_and_poll(
            file_path=manual(folder), purpose=FilePurpose.AGENTS, polling_interval=0.05
        )
    store = client.vector_stores.create_and_poll(file_ids=[file.id], name="Manuals", polling_interval=0.05)
    tools = ToolSet()
    tools.add(FileSearchTool(vector_store_ids=[store.id]))
    tools.add(CodeInterpreterTool(file_ids=[file.id]))
    message = ask("Compute what the manual says.", toolset=tools)
    assert [note.file_citation.file_id for note in message.file_citation_annotations] == [file.id], message
    assert message.file_path_annotations, message
    content = b"".join(client.files.get_content(message.file_path_annotations[0].file_path.file_id))
    assert content.startswith(b"\x89PNG"), content
    client.vector_stores.delete(store.id)
    client.files.delete(file.id)


run("azure-ai-agents")
