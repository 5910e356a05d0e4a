"""The official Python client, unmodified, against a server of ours.

Run by `cargo xtask compat`, which sets OPENAI_BASE_URL and OPENAI_API_KEY. Each check uses the
client as an application would and asserts on what came back; the last line counts them.
"""

import json
import sys
import traceback
import warnings

import openai

client = openai.OpenAI()
# The client marks the whole API as deprecated; that is what this project is for.
warnings.filterwarnings("ignore", category=DeprecationWarning)

runs = client.beta.threads.runs
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the current weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
QUESTION = "What is the weather in Paris?"
checks = []


def check(function):
    checks.append(function)
    return function


def assistant(tools=()):
    return client.beta.assistants.create(model="offline", name="Tester", tools=list(tools))


def thread(text=QUESTION):
    return client.beta.threads.create(messages=[{"role": "user", "content": text}])


def waiting_run():
    """A run that waits for the output of its one call."""
    place = thread()
    run = runs.create_and_poll(thread_id=place.id, assistant_id=assistant([WEATHER]).id)
    assert run.status == "requires_action", run
    return run


def outputs(run, text="18 degrees"):
    calls = run.required_action.submit_tool_outputs.tool_calls
    return [{"tool_call_id": call.id, "output": text} for call in calls]


def refused(status, part, call):
    try:
        call()
    except openai.APIStatusError as error:
        assert error.status_code == status, error
        assert part in error.message, error.message
        return error
    raise AssertionError(f"expected status {status}")


@check
def companions_come_back_as_they_were_made():
    made = client.beta.assistants.create(
        model="offline", name="Baker", instructions="Bake.", tools=[WEATHER], metadata={"shelf": "2"}
    )
    assert client.beta.assistants.retrieve(made.id) == made
    assert made.tools[0].function.name == "get_weather" and made.metadata == {"shelf": "2"}
    place = client.beta.threads.create(metadata={"user": "u1"})
    assert client.beta.threads.retrieve(place.id) == place
    message = client.beta.threads.messages.create(place.id, role="user", content="Good morning")
    assert client.beta.threads.messages.retrieve(message.id, thread_id=place.id) == message
    assert message.content[0].text.value == "Good morning"


@check
def companions_are_changed_field_by_field():
    made = client.beta.assistants.create(
        model="offline", name="Baker", instructions="Bake.", temperature=0.5, metadata={"shelf": "2"}
    )
    changed = client.beta.assistants.update(made.id, name="Master baker", instructions=None, tools=[WEATHER])
    assert changed.name == "Master baker" and changed.instructions is None, changed
    assert changed.tools[0].function.name == "get_weather", changed
    assert changed.temperature == 0.5 and changed.metadata == {"shelf": "2"}, changed
    changed = client.beta.assistants.update(made.id, temperature=None, metadata={"oven": "1"})
    assert changed.temperature == 1 and changed.metadata == {"oven": "1"}, changed
    assert client.beta.assistants.retrieve(made.id) == changed
    place = thread()
    changed = client.beta.threads.update(place.id, metadata={"user": "u2"})
    assert changed.metadata == {"user": "u2"} and client.beta.threads.retrieve(place.id) == changed
    message = client.beta.threads.messages.list(place.id).data[0]
    changed = client.beta.threads.messages.update(message.id, thread_id=place.id, metadata={"read": "yes"})
    assert changed.metadata == {"read": "yes"} and changed.content == message.content, changed
    assert client.beta.threads.messages.retrieve(message.id, thread_id=place.id) == changed


@check
def assistants_are_paged_automatically():
    made = [assistant().id for _ in range(5)]
    # The other checks have made assistants as well; these are the newest.
    listed = client.beta.assistants.list(limit=2)
    assert [one.id for one in listed.data] == made[:2:-1] and listed.has_next_page(), listed
    ids = [one.id for one in listed]
    assert ids[:5] == made[::-1] and len(set(ids)) == len(ids), ids
    assert [one.id for one in client.beta.assistants.list(limit=2, order="asc")] == ids[::-1]
    after = client.beta.assistants.list(limit=2, after=made[4], before=made[0]).data
    assert [one.id for one in after] == [made[3], made[2]], after


@check
def companions_are_gone_when_deleted():
    helper, place = assistant(), thread()
    message = client.beta.threads.messages.list(place.id).data[0]
    gone = client.beta.threads.messages.delete(message.id, thread_id=place.id)
    assert (gone.id, gone.object, gone.deleted) == (message.id, "thread.message.deleted", True), gone
    refused(
        404,
        f"No message found with id '{message.id}'.",
        lambda: client.beta.threads.messages.retrieve(message.id, thread_id=place.id),
    )
    gone = client.beta.threads.delete(place.id)
    assert (gone.id, gone.object, gone.deleted) == (place.id, "thread.deleted", True), gone
    refused(404, f"No thread found with id '{place.id}'.", lambda: client.beta.threads.messages.list(place.id))
    gone = client.beta.assistants.delete(helper.id)
    assert (gone.id, gone.object, gone.deleted) == (helper.id, "assistant.deleted", True), gone
    missing = refused(
        404,
        f"No assistant found with id '{helper.id}'.",
        lambda: runs.create(thread_id=thread().id, assistant_id=helper.id),
    )
    assert isinstance(missing, openai.NotFoundError), missing
    refused(404, "No assistant found", lambda: client.beta.assistants.delete(helper.id))


@check
def what_is_listed_can_be_deleted_on_the_way():
    made = {assistant().id for _ in range(5)}
    # Only those: whoever runs this against a server of their own keeps what is there.
    for one in client.beta.assistants.list(limit=2):
        if one.id in made:
            client.beta.assistants.delete(one.id)
    assert not made & {one.id for one in client.beta.assistants.list()}
    place = client.beta.threads.create(messages=[{"role": "user", "content": str(n)} for n in range(5)])
    for message in client.beta.threads.messages.list(place.id, limit=2, order="asc"):
        client.beta.threads.messages.delete(message.id, thread_id=place.id)
    assert client.beta.threads.messages.list(place.id).data == []


@check
def a_thread_is_deleted_with_its_active_run():
    run = waiting_run()
    assert client.beta.threads.delete(run.thread_id).deleted
    refused(
        404,
        f"No thread found with id '{run.thread_id}'.",
        lambda: runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=outputs(run)),
    )
    with runs.stream(thread_id=thread("word " * 20000).id, assistant_id=assistant().id) as stream:
        events = iter(stream)
        started = next(event for event in events if event.event == "thread.run.in_progress")
        client.beta.threads.delete(started.data.thread_id)
        last = [event.event for event in events][-1]
    assert last in ("thread.run.cancelled", "thread.run.completed"), last


@check
def create_runs_to_completed():
    place = thread("Good morning")
    run = runs.create(thread_id=place.id, assistant_id=assistant().id, metadata={"user": "u1"})
    assert run.status == "queued" and run.object == "thread.run", run
    run = runs.poll(run.id, thread_id=place.id)
    assert run.status == "completed" and run.expires_at is None and run.usage.total_tokens > 0, run
    messages = client.beta.threads.messages.list(place.id, run_id=run.id)
    assert "Good morning" in messages.data[0].content[0].text.value, messages
    assert messages.data[0].role == "assistant" and messages.data[0].assistant_id == run.assistant_id


@check
def create_and_run_opens_a_thread():
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant().id,
        thread={"messages": [{"role": "user", "content": "Good evening"}]},
    )
    assert run.status == "completed", run
    texts = [m.content[0].text.value for m in client.beta.threads.messages.list(run.thread_id, order="asc")]
    assert texts[0] == "Good evening" and len(texts) == 2, texts


@check
def submit_tool_outputs_completes_a_run():
    run = waiting_run()
    call = run.required_action.submit_tool_outputs.tool_calls[0]
    assert call.type == "function" and json.loads(call.function.arguments) == {"city": "Paris"}, call
    resumed = runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=outputs(run))
    assert resumed.status == "queued" and resumed.required_action is None, resumed
    run = runs.poll(run.id, thread_id=run.thread_id)
    assert run.status == "completed", run
    answer = client.beta.threads.messages.list(run.thread_id, run_id=run.id).data[0]
    assert "18 degrees" in answer.content[0].text.value, answer


@check
def retrieve_and_update_a_run():
    run = waiting_run()
    assert runs.retrieve(run.id, thread_id=run.thread_id) == run
    changed = runs.update(run.id, thread_id=run.thread_id, metadata={"step": "7"})
    assert changed.metadata == {"step": "7"}
    assert runs.retrieve(run.id, thread_id=run.thread_id).metadata == {"step": "7"}


@check
def cancel_ends_a_waiting_run():
    run = waiting_run()
    assert runs.cancel(run.id, thread_id=run.thread_id).status == "cancelling"
    run = runs.poll(run.id, thread_id=run.thread_id)
    assert run.status == "cancelled" and run.cancelled_at is not None, run
    step = runs.steps.list(run.id, thread_id=run.thread_id).data[0]
    assert step.status == "cancelled", step
    refused(400, "Cannot cancel run with status 'cancelled'.", lambda: runs.cancel(run.id, thread_id=run.thread_id))


@check
def runs_are_paged_automatically():
    place, helper = thread("Hello"), assistant()
    made = [runs.create_and_poll(thread_id=place.id, assistant_id=helper.id).id for _ in range(5)]
    listed = runs.list(place.id, limit=2)
    assert [run.id for run in listed.data] == made[:2:-1] and listed.has_next_page(), listed
    assert [run.id for run in listed] == made[::-1]
    assert [run.id for run in runs.list(place.id, limit=2, order="asc")] == made
    before = runs.list(place.id, limit=2, order="asc", before=made[3]).data
    assert [run.id for run in before] == made[1:3], before


@check
def steps_are_paged_automatically_and_retrieved():
    run = waiting_run()
    run = runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs(run))
    steps = list(runs.steps.list(run.id, thread_id=run.thread_id, limit=1, order="asc"))
    assert [step.type for step in steps] == ["tool_calls", "message_creation"], steps
    assert all(step.status == "completed" and step.usage.total_tokens > 0 for step in steps), steps
    call = steps[0].step_details.tool_calls[0]
    assert call.function.output == "18 degrees", call
    assert sum(step.usage.total_tokens for step in steps) == run.usage.total_tokens, (steps, run)
    for step in steps:
        assert runs.steps.retrieve(step.id, thread_id=run.thread_id, run_id=run.id) == step


PLAIN = """thread.run.created thread.run.queued thread.run.in_progress
thread.run.step.created thread.run.step.in_progress thread.message.created thread.message.in_progress
thread.message.delta thread.message.completed thread.run.step.completed thread.run.completed""".split()


def names(events):
    """The events' names, a row of deltas as one."""
    told = []
    for event in events:
        if not (told and told[-1] == event.event and event.event.endswith(".delta")):
            told.append(event.event)
    return told


@check
def a_streamed_run_tells_its_events_in_order():
    events = list(runs.create(thread_id=thread("Hello").id, assistant_id=assistant().id, stream=True))
    assert names(events) == PLAIN, names(events)
    text = "".join(e.data.delta.content[0].text.value for e in events if e.event == "thread.message.delta")
    message = next(e.data for e in events if e.event == "thread.message.completed")
    assert message.content[0].text.value == text and "Hello" in text, (message, text)


@check
def a_streamed_create_and_run_begins_with_the_thread():
    events = list(
        client.beta.threads.create_and_run(
            assistant_id=assistant().id,
            thread={"messages": [{"role": "user", "content": "Hello"}]},
            stream=True,
        )
    )
    assert names(events) == ["thread.created", *PLAIN], names(events)


@check
def a_stream_goes_on_with_submitted_outputs():
    events = list(runs.create(thread_id=thread().id, assistant_id=assistant([WEATHER]).id, stream=True))
    expected = PLAIN[:5] + ["thread.run.step.delta", "thread.run.requires_action"]
    assert names(events) == expected, names(events)
    run = events[-1].data
    arguments = ""
    for event in events:
        if event.event == "thread.run.step.delta":
            arguments += event.data.delta.step_details.tool_calls[0].function.arguments
    assert arguments == run.required_action.submit_tool_outputs.tool_calls[0].function.arguments
    more = list(
        runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=outputs(run), stream=True)
    )
    assert names(more) == ["thread.run.step.completed", *PLAIN[1:]], names(more)


@check
def the_streaming_helper_accumulates_what_retrieve_returns():
    with runs.stream(thread_id=thread("Hello").id, assistant_id=assistant().id) as stream:
        text = "".join(stream.text_deltas)
        final = stream.get_final_messages()[0]
        step = stream.get_final_run_steps()[0]
    assert final.content[0].text.value == text
    stored = client.beta.threads.messages.retrieve(final.id, thread_id=final.thread_id)
    assert stored.content[0].text.value == text and stored.status == "completed", stored
    # The client's own snapshot of a step stays as it was created; which step it is must be right.
    stored = runs.steps.retrieve(step.id, thread_id=step.thread_id, run_id=step.run_id)
    assert stored.step_details == step.step_details and stored.status == "completed", (stored, step)


@check
def errors_are_the_clients_own_exceptions():
    place, helper = thread(), assistant([WEATHER])
    missing = refused(404, "No thread found with id 'thread_x'.", lambda: client.beta.threads.retrieve("thread_x"))
    assert isinstance(missing, openai.NotFoundError) and missing.request_id, missing
    refused(404, "No assistant found with id 'asst_x'.", lambda: runs.create(thread_id=place.id, assistant_id="asst_x"))
    refused(404, "No run found with id 'run_x'.", lambda: runs.retrieve("run_x", thread_id=place.id))
    wrong = refused(
        400,
        "Invalid 'temperature'",
        lambda: runs.create(thread_id=place.id, assistant_id=helper.id, temperature=3),
    )
    assert isinstance(wrong, openai.BadRequestError) and wrong.param == "temperature", wrong
    unsupported = refused(
        400, "code_interpreter", lambda: assistant([{"type": "code_interpreter"}])
    )
    assert unsupported.param == "tools[0].type", unsupported
    unsupported = refused(
        400,
        "tool resources",
        lambda: client.beta.threads.update(
            place.id, tool_resources={"file_search": {"vector_store_ids": ["vs_1"]}}
        ),
    )
    assert unsupported.param == "tool_resources.file_search", unsupported
    wrong = refused(400, "Invalid 'top_p'", lambda: client.beta.assistants.update(helper.id, top_p=3))
    assert wrong.param == "top_p", wrong
    wrong = refused(400, "there is no assistant", lambda: client.beta.assistants.list(after="asst_x"))
    assert wrong.param == "after", wrong


@check
def a_busy_thread_and_wrong_outputs_are_refused():
    run = waiting_run()
    helper, place = run.assistant_id, run.thread_id
    refused(
        400,
        f"Thread {place} already has an active run {run.id}.",
        lambda: runs.create(thread_id=place, assistant_id=helper),
    )
    refused(
        400,
        f"Can't add messages to {place} while a run {run.id} is active.",
        lambda: client.beta.threads.messages.create(place, role="user", content="Hurry"),
    )
    asked = client.beta.threads.messages.list(place).data[0]
    refused(
        400,
        f"Can't delete messages from {place} while a run {run.id} is active.",
        lambda: client.beta.threads.messages.delete(asked.id, thread_id=place),
    )
    right = outputs(run)
    call = right[0]["tool_call_id"]
    for wrong, message in [
        ([], f"Expected tool outputs for call_ids ['{call}'], got []"),
        (right + right, f"Duplicate call_ids submitted: ['{call}', '{call}']"),
    ]:
        refused(400, message, lambda: runs.submit_tool_outputs(run.id, thread_id=place, tool_outputs=wrong))
    runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=place, tool_outputs=right)
    refused(
        400,
        'Runs in status "completed" do not accept tool outputs.',
        lambda: runs.submit_tool_outputs(run.id, thread_id=place, tool_outputs=right),
    )


def main():
    failed = 0
    for function in checks:
        try:
            function()
            print(f"ok      {function.__name__}")
        except Exception:
            failed += 1
            print(f"FAILED  {function.__name__}")
            traceback.print_exc(file=sys.stdout)
    print(f"openai {openai.__version__} on Python {sys.version.split()[0]}")
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
