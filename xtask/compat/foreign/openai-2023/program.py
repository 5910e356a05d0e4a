"""The official client of 2023, which asks for `assistants=v1`."""

import time

import openai

from harness import ANSWER, assert_weather, check, get_weather, run

client = openai.OpenAI()
FUNCTION = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def wait(run):
    while run.status in ("queued", "in_progress"):
        time.sleep(0.05)
        run = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
    return run


def started(text, **fields):
    assistant = client.beta.assistants.create(model="gpt-4o", **fields)
    thread = client.beta.threads.create()
    client.beta.threads.messages.create(thread.id, role="user", content=text)
    return wait(client.beta.threads.runs.create(thread.id, assistant_id=assistant.id))


def answer_of(run):
    return client.beta.threads.messages.list(run.thread_id).data[0].content[0].text.value


@check
def run_completes():
    run = started("Hello")
    assert (run.status, answer_of(run)) == ("completed", ANSWER), run


@check
def function_is_called():
    run = started("The weather?", tools=[FUNCTION])
    calls = run.required_action.submit_tool_outputs.tool_calls
    outputs = [{"tool_call_id": call.id, "output": get_weather("Paris")} for call in calls]
    submitted = client.beta.threads.runs.submit_tool_outputs(
        run.id, thread_id=run.thread_id, tool_outputs=outputs
    )
    assert_weather(answer_of(wait(submitted)))


@check
def files_are_uploaded():
    file = client.files.create(file=("data.csv", b"a,b"), purpose="assistants")
    assert client.files.retrieve(file.id).filename == "data.csv"
    assert client.files.delete(file.id).deleted


run("openai")
