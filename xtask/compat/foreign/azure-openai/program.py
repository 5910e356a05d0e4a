"""AzureOpenAI of the official client: by endpoint, and by deployment."""

from openai import AzureOpenAI

from harness import ANSWER, API_KEY, AZURE_ENDPOINT, assert_weather, check, get_weather, run

VERSION = "2024-05-01-preview"
client = AzureOpenAI(azure_endpoint=AZURE_ENDPOINT, api_key=API_KEY, api_version=VERSION)
FUNCTION = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def arguments(at, text, **fields):
    thread = at.beta.threads.create(messages=[{"role": "user", "content": text}])
    assistant = at.beta.assistants.create(model="gpt-4o", **fields)
    return {"thread_id": thread.id, "assistant_id": assistant.id}


def answer_of(at, run):
    return at.beta.threads.messages.list(run.thread_id).data[0].content[0].text.value


@check
def run_completes():
    run = client.beta.threads.runs.create_and_poll(**arguments(client, "Hello"))
    assert (run.status, answer_of(client, run)) == ("completed", ANSWER), run


@check
def run_is_streamed():
    with client.beta.threads.runs.stream(**arguments(client, "Hello")) as stream:
        assert "".join(stream.text_deltas) == ANSWER


@check
def function_is_called():
    run = client.beta.threads.runs.create_and_poll(**arguments(client, "The weather?", tools=[FUNCTION]))
    calls = run.required_action.submit_tool_outputs.tool_calls
    outputs = [{"tool_call_id": call.id, "output": get_weather("Paris")} for call in calls]
    run = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs
    )
    assert_weather(answer_of(client, run))


@check
def deployment_in_the_path_is_accepted():
    at = AzureOpenAI(
        azure_endpoint=AZURE_ENDPOINT, azure_deployment="my-gpt", api_key=API_KEY, api_version=VERSION
    )
    run = at.beta.threads.runs.create_and_poll(**arguments(at, "Hello"))
    assert (run.status, answer_of(at, run)) == ("completed", ANSWER), run


@check
def files_and_vector_stores_are_reached():
    file = client.files.create(file=("manual.txt", b"The manual."), purpose="assistants")
    store = client.vector_stores.create(name="Manuals", file_ids=[file.id])
    assert [entry.id for entry in client.vector_stores.files.list(store.id)] == [file.id]
    assert client.files.content(file.id).read() == b"The manual."
    assert client.vector_stores.delete(store.id).deleted and client.files.delete(file.id).deleted


run("openai")
