"""Helpers that poll a run."""

from harness import check, client
from fixtures import WEATHER, message_text, assistant, outputs, runs, thread, waiting_run


@check
def create_and_poll_waits_for_a_terminal_status():
    run = runs.create_and_poll(thread_id=thread("Hello").id, assistant_id=assistant().id)
    assert run.status == "completed" and run.usage.total_tokens > 0, run
    assert "Hello" in message_text(run), message_text(run)


@check
def create_and_poll_returns_a_run_that_requires_action():
    run = runs.create_and_poll(thread_id=thread().id, assistant_id=assistant(WEATHER).id)
    assert run.status == "requires_action" and run.usage is None, run
    assert run.required_action.submit_tool_outputs.tool_calls[0].function.name == "get_weather", run


@check
def create_and_run_poll_creates_a_thread():
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant().id,
        thread={"messages": [{"role": "user", "content": "Good evening"}], "metadata": {"user": "u1"}},
    )
    assert run.status == "completed" and "Good evening" in message_text(run), run
    assert client.beta.threads.retrieve(run.thread_id).metadata == {"user": "u1"}


@check
def submit_tool_outputs_and_poll_waits_for_a_terminal_status():
    run = waiting_run()
    run = runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs(run, "21 degrees")
    )
    assert run.status == "completed" and run.required_action is None, run
    assert "21 degrees" in message_text(run), message_text(run)


@check
def poll_waits_for_an_existing_run():
    run = runs.create(thread_id=thread("Hello").id, assistant_id=assistant().id)
    run = runs.poll(run.id, thread_id=run.thread_id)
    assert run.status == "completed" and run.completed_at >= run.created_at, run


@check
def active_runs_have_a_poll_interval_header():
    run = waiting_run()
    response = runs.with_raw_response.submit_tool_outputs(
        run.id, thread_id=run.thread_id, tool_outputs=outputs(run)
    )
    assert response.parse().status == "queued", response.text
    assert int(response.headers["openai-poll-after-ms"]) > 0, response.headers
    runs.poll(run.id, thread_id=run.thread_id)
    response = runs.with_raw_response.retrieve(run.id, thread_id=run.thread_id)
    assert response.parse().status == "completed", response.text
    assert "openai-poll-after-ms" not in response.headers, response.headers
