"""Event streams, raw and with the helpers that accumulate messages and steps."""

import openai

from harness import check, client
from fixtures import WEATHER, assistant, outputs, runs, thread, waiting_run

threads = client.beta.threads
PLAIN = """thread.run.created thread.run.queued thread.run.in_progress
thread.run.step.created thread.run.step.in_progress thread.message.created thread.message.in_progress
thread.message.delta thread.message.completed thread.run.step.completed thread.run.completed""".split()
CALLING = PLAIN[:5] + ["thread.run.step.delta", "thread.run.requires_action"]
RESUMED = ["thread.run.step.completed", *PLAIN[1:]]


def merge_deltas(names):
    """Merges successive deltas of the same name."""
    merged = []
    for name in names:
        if not (merged and merged[-1] == name and name.lower().endswith("delta")):
            merged.append(name)
    return merged


def names(events):
    return merge_deltas(event.event for event in events)


def text_of(events):
    deltas = [event.data.delta for event in events if event.event == "thread.message.delta"]
    return "".join(delta.content[0].text.value for delta in deltas)


@check
def create_streams_its_events_in_order():
    events = list(runs.create(thread_id=thread("Hello").id, assistant_id=assistant().id, stream=True))
    assert names(events) == PLAIN, names(events)
    message = next(event.data for event in events if event.event == "thread.message.completed")
    assert message.content[0].text.value == text_of(events) and "Hello" in text_of(events), message


@check
def create_and_run_streams_the_thread_first():
    events = list(
        threads.create_and_run(
            assistant_id=assistant().id,
            thread={"messages": [{"role": "user", "content": "Hello"}]},
            stream=True,
        )
    )
    assert names(events) == ["thread.created", *PLAIN], names(events)
    assert events[0].data.id == events[-1].data.thread_id, events


@check
def submit_tool_outputs_continues_the_stream():
    events = list(runs.create(thread_id=thread().id, assistant_id=assistant(WEATHER).id, stream=True))
    assert names(events) == CALLING, names(events)
    run = events[-1].data
    deltas = [event.data.delta for event in events if event.event == "thread.run.step.delta"]
    arguments = "".join(delta.step_details.tool_calls[0].function.arguments for delta in deltas)
    assert arguments == run.required_action.submit_tool_outputs.tool_calls[0].function.arguments
    continued = list(
        runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=outputs(run), stream=True)
    )
    assert names(continued) == RESUMED and "18 degrees" in text_of(continued), names(continued)


class Recorder(openai.AssistantEventHandler):
    """Records the callbacks and their last arguments."""

    def __init__(self):
        super().__init__()
        self.called, self.arguments = [], {}


CALLBACKS = [name for name in dir(openai.AssistantEventHandler) if name.startswith("on_")]


def recording(name):
    def callback(self, *arguments):
        self.called.append(name)
        self.arguments[name] = arguments

    return callback


for name in CALLBACKS:
    setattr(Recorder, name, recording(name))


def callbacks(handler):
    """The callbacks in order, without the one for all events."""
    return merge_deltas(name for name in handler.called if name != "on_event")


def recorded(manager):
    with manager as handler:
        handler.until_done()
    return handler


@check
def callbacks_report_a_message():
    handler = recorded(
        runs.stream(thread_id=thread("Hello").id, assistant_id=assistant().id, event_handler=Recorder())
    )
    reported = [name for name in callbacks(handler) if name not in ("on_message_delta", "on_text_delta")]
    assert merge_deltas(reported) == [
        "on_run_step_created",
        "on_message_created",
        "on_text_created",
        "on_text_done",
        "on_message_done",
        "on_run_step_done",
        "on_end",
    ], reported
    delta, snapshot = handler.arguments["on_text_delta"]
    (text,) = handler.arguments["on_text_done"]
    (message,) = handler.arguments["on_message_done"]
    assert text.value == snapshot.value == message.content[0].text.value and text.value.endswith(delta.value)
    assert handler.called.count("on_event") == handler.called.count("on_text_delta") + len(PLAIN) - 1
    assert handler.arguments["on_message_delta"][1].content[0].text.value == text.value
    assert "Hello" in text.value and handler.arguments["on_run_step_done"][0].status == "completed"


@check
def callbacks_report_a_tool_call():
    handler = recorded(
        runs.stream(thread_id=thread().id, assistant_id=assistant(WEATHER).id, event_handler=Recorder())
    )
    called = callbacks(handler)
    reported = [name for name in called if name not in ("on_tool_call_delta", "on_run_step_delta")]
    assert reported == ["on_run_step_created", "on_tool_call_created", "on_tool_call_done", "on_end"], called
    (call,) = handler.arguments["on_tool_call_done"]
    assert call.function.arguments == '{"city":"Paris"}' and call.id.startswith("call_"), call
    run = handler.get_final_run()
    handler = recorded(
        runs.submit_tool_outputs_stream(
            run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs(run), event_handler=Recorder()
        )
    )
    assert callbacks(handler)[0] == "on_run_step_done", handler.called
    assert "18 degrees" in handler.arguments["on_text_done"][0].value


@check
def all_callbacks_are_called():
    message = recorded(
        runs.stream(thread_id=thread("Hello").id, assistant_id=assistant().id, event_handler=Recorder())
    )
    call = recorded(
        runs.stream(thread_id=thread().id, assistant_id=assistant(WEATHER).id, event_handler=Recorder())
    )
    # The model generates no images, and these streams neither fail nor time out.
    uncalled = {"on_image_file_done", "on_exception", "on_timeout"}
    assert {*message.called, *call.called} == {*CALLBACKS} - uncalled, (message.called, call.called)


@check
def snapshots_equal_retrieved_objects():
    with runs.stream(thread_id=thread("Hello").id, assistant_id=assistant().id) as stream:
        text = "".join(stream.text_deltas)
        run = stream.get_final_run()
        message = stream.get_final_messages()[0]
        step = stream.get_final_run_steps()[0]
    assert message.content[0].text.value == text and "Hello" in text, message
    assert threads.messages.retrieve(message.id, thread_id=message.thread_id) == message
    assert runs.retrieve(run.id, thread_id=run.thread_id) == run and run.status == "completed", run
    # The client does not update its snapshot of a step, so the statuses differ.
    stored = runs.steps.retrieve(step.id, thread_id=step.thread_id, run_id=step.run_id)
    assert stored.step_details == step.step_details and stored.status == "completed", (stored, step)


@check
def create_and_run_stream_creates_a_thread():
    with threads.create_and_run_stream(
        assistant_id=assistant().id, thread={"messages": [{"role": "user", "content": "Good evening"}]}
    ) as stream:
        events = list(stream)
        run = stream.get_final_run()
    assert names(events) == ["thread.created", *PLAIN], names(events)
    assert run.status == "completed" and "Good evening" in text_of(events), run


@check
def submit_tool_outputs_stream_ends_with_the_run():
    run = waiting_run()
    with runs.submit_tool_outputs_stream(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs(run, "21 degrees")
    ) as stream:
        events = list(stream)
        final = stream.get_final_run()
    assert names(events) == RESUMED, names(events)
    assert final.id == run.id and final.status == "completed" and "21 degrees" in text_of(events), final


@check
def a_run_continues_after_its_stream_is_closed():
    with runs.stream(thread_id=thread("Hello").id, assistant_id=assistant().id) as stream:
        created = next(iter(stream)).data
    run = runs.poll(created.id, thread_id=created.thread_id)
    assert run.status == "completed" and run.usage.total_tokens > 0, run


@check
def a_deleted_thread_ends_its_stream():
    with runs.stream(thread_id=thread("Hello").id, assistant_id=assistant().id) as stream:
        events = iter(stream)
        threads.delete(next(events).data.thread_id)
        last = [event.event for event in events][-1]
    assert last in ("thread.run.cancelled", "thread.run.completed"), last
