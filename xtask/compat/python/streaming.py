"""Streams of events, raw and with the helpers that make messages and steps of them."""

import openai

from gate import check, client
from given import WEATHER, assistant, outputs, runs, thread, waiting_run

threads = client.beta.threads
PLAIN = """thread.run.created thread.run.queued thread.run.in_progress
thread.run.step.created thread.run.step.in_progress thread.message.created thread.message.in_progress
thread.message.delta thread.message.completed thread.run.step.completed thread.run.completed""".split()
CALLING = PLAIN[:5] + ["thread.run.step.delta", "thread.run.requires_action"]
RESUMED = ["thread.run.step.completed", *PLAIN[1:]]


def once(names):
    """The names, each row of deltas as one."""
    told = []
    for name in names:
        if not (told and told[-1] == name and name.lower().endswith("delta")):
            told.append(name)
    return told


def names(events):
    return once(event.event for event in events)


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
def create_and_run_streams_its_thread_first():
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
def submit_tool_outputs_streams_on():
    events = list(runs.create(thread_id=thread().id, assistant_id=assistant(WEATHER).id, stream=True))
    assert names(events) == CALLING, names(events)
    run = events[-1].data
    deltas = [event.data.delta for event in events if event.event == "thread.run.step.delta"]
    arguments = "".join(delta.step_details.tool_calls[0].function.arguments for delta in deltas)
    assert arguments == run.required_action.submit_tool_outputs.tool_calls[0].function.arguments
    more = list(
        runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=outputs(run), stream=True)
    )
    assert names(more) == RESUMED and "18 degrees" in text_of(more), names(more)


class Recorder(openai.AssistantEventHandler):
    """Notes each callback, and what it was given."""

    def __init__(self):
        super().__init__()
        self.called, self.given = [], {}


CALLBACKS = [name for name in dir(openai.AssistantEventHandler) if name.startswith("on_")]


def recording(name):
    def callback(self, *given):
        self.called.append(name)
        self.given[name] = given

    return callback


for name in CALLBACKS:
    setattr(Recorder, name, recording(name))


def callbacks(handler):
    """The callbacks in order, without the one that tells of all events alike."""
    return once(name for name in handler.called if name != "on_event")


def recorded(manager):
    with manager as handler:
        handler.until_done()
    return handler


@check
def callbacks_tell_of_an_answer():
    handler = recorded(
        runs.stream(thread_id=thread("Hello").id, assistant_id=assistant().id, event_handler=Recorder())
    )
    said = [name for name in callbacks(handler) if name not in ("on_message_delta", "on_text_delta")]
    assert once(said) == [
        "on_run_step_created",
        "on_message_created",
        "on_text_created",
        "on_text_done",
        "on_message_done",
        "on_run_step_done",
        "on_end",
    ], said
    delta, snapshot = handler.given["on_text_delta"]
    (text,) = handler.given["on_text_done"]
    (message,) = handler.given["on_message_done"]
    assert text.value == snapshot.value == message.content[0].text.value and text.value.endswith(delta.value)
    assert handler.called.count("on_event") == handler.called.count("on_text_delta") + len(PLAIN) - 1
    assert handler.given["on_message_delta"][1].content[0].text.value == text.value
    assert "Hello" in text.value and handler.given["on_run_step_done"][0].status == "completed"


@check
def callbacks_tell_of_a_tool_call():
    handler = recorded(
        runs.stream(thread_id=thread().id, assistant_id=assistant(WEATHER).id, event_handler=Recorder())
    )
    called = callbacks(handler)
    said = [name for name in called if name not in ("on_tool_call_delta", "on_run_step_delta")]
    assert said == ["on_run_step_created", "on_tool_call_created", "on_tool_call_done", "on_end"], called
    (call,) = handler.given["on_tool_call_done"]
    assert call.function.arguments == '{"city":"Paris"}' and call.id.startswith("call_"), call
    run = handler.get_final_run()
    handler = recorded(
        runs.submit_tool_outputs_stream(
            run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs(run), event_handler=Recorder()
        )
    )
    assert callbacks(handler)[0] == "on_run_step_done", handler.called
    assert "18 degrees" in handler.given["on_text_done"][0].value


@check
def no_callback_is_left_out():
    answer = recorded(
        runs.stream(thread_id=thread("Hello").id, assistant_id=assistant().id, event_handler=Recorder())
    )
    call = recorded(
        runs.stream(thread_id=thread().id, assistant_id=assistant(WEATHER).id, event_handler=Recorder())
    )
    # No model here makes images, and these streams neither fail nor fall silent.
    never = {"on_image_file_done", "on_exception", "on_timeout"}
    assert {*answer.called, *call.called} == {*CALLBACKS} - never, (answer.called, call.called)


@check
def snapshots_equal_what_is_retrieved():
    with runs.stream(thread_id=thread("Hello").id, assistant_id=assistant().id) as stream:
        text = "".join(stream.text_deltas)
        run = stream.get_final_run()
        message = stream.get_final_messages()[0]
        step = stream.get_final_run_steps()[0]
    assert message.content[0].text.value == text and "Hello" in text, message
    assert threads.messages.retrieve(message.id, thread_id=message.thread_id) == message
    assert runs.retrieve(run.id, thread_id=run.thread_id) == run and run.status == "completed", run
    # The client's own snapshot of a step stays as it was created; which step it is must be right.
    stored = runs.steps.retrieve(step.id, thread_id=step.thread_id, run_id=step.run_id)
    assert stored.step_details == step.step_details and stored.status == "completed", (stored, step)


@check
def create_and_run_stream_opens_a_thread():
    with threads.create_and_run_stream(
        assistant_id=assistant().id, thread={"messages": [{"role": "user", "content": "Good evening"}]}
    ) as stream:
        events = list(stream)
        run = stream.get_final_run()
    assert names(events) == ["thread.created", *PLAIN], names(events)
    assert run.status == "completed" and "Good evening" in text_of(events), run


@check
def submit_tool_outputs_stream_ends_when_the_run_does():
    run = waiting_run()
    with runs.submit_tool_outputs_stream(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs(run, "21 degrees")
    ) as stream:
        events = list(stream)
        final = stream.get_final_run()
    assert names(events) == RESUMED, names(events)
    assert final.id == run.id and final.status == "completed" and "21 degrees" in text_of(events), final


@check
def a_run_goes_on_when_its_stream_is_left():
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
