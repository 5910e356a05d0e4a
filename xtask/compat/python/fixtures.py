"""Objects for the checks."""

from harness import client

runs = client.beta.threads.runs
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Returns the current weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
QUESTION = "What is the weather in Paris?"


def assistant(*tools, at=client):
    return at.beta.assistants.create(model="offline", name="Tester", tools=list(tools))


def thread(text=QUESTION, at=client):
    return at.beta.threads.create(messages=[{"role": "user", "content": text}])


def waiting_run(at=client):
    """A run that waits for the output of its only call."""
    run = at.beta.threads.runs.create_and_poll(
        thread_id=thread(at=at).id, assistant_id=assistant(WEATHER, at=at).id
    )
    assert run.status == "requires_action", run
    return run


def outputs(run, text="18 degrees"):
    calls = run.required_action.submit_tool_outputs.tool_calls
    return [{"tool_call_id": call.id, "output": text} for call in calls]


def message_text(run):
    """The text of the message that a run created."""
    return client.beta.threads.messages.list(run.thread_id, run_id=run.id).data[0].content[0].text.value
