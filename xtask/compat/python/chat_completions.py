"""Runs whose model is a mock server of the Chat Completions API."""

import os

from harness import check, connect
from fixtures import WEATHER

client = connect(base_url=os.environ["FORWARDING_BASE_URL"])
assistants, threads = client.beta.assistants, client.beta.threads
runs, messages = threads.runs, threads.messages


def run_arguments(text, tools=(), model="some-model"):
    """The arguments of a run of a new assistant on a new thread."""
    thread = threads.create(messages=[{"role": "user", "content": text}])
    assistant = assistants.create(model=model, tools=list(tools))
    return {"thread_id": thread.id, "assistant_id": assistant.id}


def run_to_end(text, tools=(), model="some-model", **parameters):
    return runs.create_and_poll(**run_arguments(text, tools, model), **parameters)


def texts(run):
    """The texts of the messages that a run created, in order."""
    created = messages.list(run.thread_id, run_id=run.id, order="asc").data
    return [message.content[0].text.value for message in created]


@check
def a_provider_completes_a_run():
    run = run_to_end("hello")
    assert run.status == "completed" and texts(run)[0].startswith("Hello!"), run
    usage = run.usage
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0, usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage


@check
def a_providers_message_is_streamed():
    with runs.stream(**run_arguments("hello")) as stream:
        deltas = list(stream.text_deltas)
        run = stream.get_final_run()
    assert len(deltas) > 1 and ["".join(deltas)] == texts(run), deltas


@check
def models_are_mapped_to_the_providers_names():
    assert texts(run_to_end("your name", model="gpt-4o")) == ["I am the mapped model."]
    assert texts(run_to_end("your name", model="some-model")) == ["I am the default model."]


@check
def outputs_of_a_providers_tool_calls_are_submitted():
    run = run_to_end("weather", [WEATHER])
    calls = run.required_action.submit_tool_outputs.tool_calls
    assert [call.function.arguments for call in calls] == ['{"city":"Paris"}', '{"city":"Rome"}'], calls
    assert len({call.id for call in calls}) == 2, calls
    run = runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=run.thread_id,
        tool_outputs=[{"tool_call_id": call.id, "output": "18"} for call in calls],
    )
    assert run.status == "completed", run
    assert texts(run) == ["Let me see.", "It is 18 degrees in Paris and 24 in Rome."], texts(run)


@check
def a_providers_failures_fail_the_run():
    for text, code in [
        ("limit", "rate_limit_exceeded"),
        ("long", "invalid_prompt"),
        ("broken", "server_error"),
        ("cut", "server_error"),
    ]:
        run = run_to_end(text)
        assert run.status == "failed" and run.last_error.code == code, (text, run)


@check
def a_truncated_message_makes_the_run_incomplete():
    run = run_to_end("short")
    assert run.status == "incomplete" and texts(run) == ["Only so"], run
    assert run.incomplete_details.reason == "max_completion_tokens", run


@check
def a_json_schema_is_forwarded_to_the_provider():
    schema = {"name": "weather", "schema": {"type": "object"}}
    run = run_to_end("shape", response_format={"type": "json_schema", "json_schema": schema})
    assert texts(run) == ['{"city":"Paris","degrees":18}'], run


@check
def a_run_is_cancelled_during_generation():
    with runs.stream(**run_arguments("slow")) as stream:
        events = []
        for event in stream:
            events.append(event.event)
            if event.event == "thread.run.in_progress":
                runs.cancel(event.data.id, thread_id=event.data.thread_id)
        run = stream.get_final_run()
    assert events[-1] == "thread.run.cancelled" and "thread.run.cancelling" in events, events
    assert run.status == "cancelled" and run.cancelled_at is not None, run
