"""Runs whose model is a mock server of a provider, by each API of providers."""

import functools
import os

from harness import add_check, connect
from fixtures import WEATHER


class Provider:
    """A server whose model is the provider."""

    def __init__(self, topic, base_url):
        self.topic, self.client = topic, connect(base_url=base_url)
        self.runs = self.client.beta.threads.runs

    def run_arguments(self, text, tools=(), model="some-model"):
        """The arguments of a run of a new assistant on a new thread."""
        thread = self.client.beta.threads.create(messages=[{"role": "user", "content": text}])
        assistant = self.client.beta.assistants.create(model=model, tools=list(tools))
        return {"thread_id": thread.id, "assistant_id": assistant.id}

    def run_to_end(self, text, tools=(), model="some-model", **parameters):
        return self.runs.create_and_poll(**self.run_arguments(text, tools, model), **parameters)

    def texts(self, run):
        """The texts of the messages that a run created, in order."""
        messages = self.client.beta.threads.messages
        created = messages.list(run.thread_id, run_id=run.id, order="asc").data
        return [message.content[0].text.value for message in created]


PROVIDERS = [
    Provider("chat_completions", os.environ["FORWARDING_BASE_URL"]),
    Provider("responses", os.environ["RESPONSES_BASE_URL"]),
]


def check(function, topics=("chat_completions", "responses")):
    """Adds a check of each provider."""
    for provider in PROVIDERS:
        if provider.topic in topics:
            add_check(provider.topic, function.__name__, functools.partial(function, provider))
    return function


def only(topic):
    """Adds a check of one provider."""
    return functools.partial(check, topics=(topic,))


@check
def a_provider_completes_a_run(at):
    run = at.run_to_end("hello")
    assert run.status == "completed" and at.texts(run)[0].startswith("Hello!"), run


@only("chat_completions")
def usage_is_that_of_the_provider(at):
    usage = at.run_to_end("hello").usage
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0, usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage


@check
def a_providers_message_is_streamed(at):
    with at.runs.stream(**at.run_arguments("hello")) as stream:
        deltas = list(stream.text_deltas)
        run = stream.get_final_run()
    assert len(deltas) > 1 and ["".join(deltas)] == at.texts(run), deltas


@check
def models_are_mapped_to_the_providers_names(at):
    assert at.texts(at.run_to_end("your name", model="gpt-4o")) == ["I am the mapped model."]
    assert at.texts(at.run_to_end("your name", model="some-model")) == ["I am the default model."]


@check
def outputs_of_a_providers_tool_calls_are_submitted(at):
    run = at.run_to_end("weather", [WEATHER])
    calls = run.required_action.submit_tool_outputs.tool_calls
    assert [call.function.arguments for call in calls] == ['{"city":"Paris"}', '{"city":"Rome"}'], calls
    assert len({call.id for call in calls}) == 2, calls
    run = at.runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=run.thread_id,
        tool_outputs=[{"tool_call_id": call.id, "output": "18"} for call in calls],
    )
    assert run.status == "completed", run
    assert at.texts(run) == ["Let me see.", "It is 18 degrees in Paris and 24 in Rome."], at.texts(run)


@check
def a_providers_failures_fail_the_run(at):
    for text, code in [
        ("limit", "rate_limit_exceeded"),
        ("long", "invalid_prompt"),
        ("broken", "server_error"),
        ("cut", "server_error"),
    ]:
        run = at.run_to_end(text)
        assert run.status == "failed" and run.last_error.code == code, (text, run)


@check
def a_truncated_message_makes_the_run_incomplete(at):
    run = at.run_to_end("short")
    assert run.status == "incomplete" and at.texts(run) == ["Only so"], run
    assert run.incomplete_details.reason == "max_completion_tokens", run


# The mock cannot match the format of a request for responses.
@only("chat_completions")
def a_json_schema_is_forwarded_to_the_provider(at):
    schema = {"name": "weather", "schema": {"type": "object"}}
    run = at.run_to_end("shape", response_format={"type": "json_schema", "json_schema": schema})
    assert at.texts(run) == ['{"city":"Paris","degrees":18}'], run


@check
def a_run_is_cancelled_during_generation(at):
    with at.runs.stream(**at.run_arguments("slow")) as stream:
        events = []
        for event in stream:
            events.append(event.event)
            if event.event == "thread.run.in_progress":
                at.runs.cancel(event.data.id, thread_id=event.data.thread_id)
        run = stream.get_final_run()
    assert events[-1] == "thread.run.cancelled" and "thread.run.cancelling" in events, events
    assert run.status == "cancelled" and run.cancelled_at is not None, run


@only("responses")
def files_of_the_provider_are_reached(at):
    file = at.client.files.create(file=("data.csv", b"a,b"), purpose="assistants")
    assert at.client.files.retrieve(file.id).filename == "data.csv"
    assert file.id in [entry.id for entry in at.client.files.list()]
    assert at.client.files.content(file.id).read() == b"a,b"
    assert at.client.files.delete(file.id).deleted
    assert "qwen2.5:7b" in [model.id for model in at.client.models.list()]
