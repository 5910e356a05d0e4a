"""The helpers that wait for a run by asking for it again and again."""

from gate import check, client
from given import WEATHER, answer, assistant, outputs, runs, thread, waiting_run


@check
def create_and_poll_ends_when_the_run_does():
    run = runs.create_and_poll(thread_id=thread("Hello").id, assistant_id=assistant().id)
    assert run.status == "completed" and run.usage.total_tokens > 0, run
    assert "Hello" in answer(run), answer(run)


@check
def create_and_poll_ends_when_outputs_are_needed():
    run = runs.create_and_poll(thread_id=thread().id, assistant_id=assistant(WEATHER).id)
    assert run.status == "requires_action" and run.usage is None, run
    assert run.required_action.submit_tool_outputs.tool_calls[0].function.name == "get_weather", run


@check
def create_and_run_poll_opens_a_thread():
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant().id,
        thread={"messages": [{"role": "user", "content": "Good evening"}], "metadata": {"user": "u1"}},
    )
    assert run.status == "completed" and "Good evening" in answer(run), run
    assert client.beta.threads.retrieve(run.thread_id).metadata == {"user": "u1"}


@check
def submit_tool_outputs_and_poll_ends_when_the_run_does():
    run = waiting_run()
    run = runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs(run, "21 degrees")
    )
    assert run.status == "completed" and run.required_action is None, run
    assert "21 degrees" in answer(run), answer(run)


@check
def poll_waits_for_a_run_made_elsewhere():
    run = runs.create(thread_id=thread("Hello").id, assistant_id=assistant().id)
    run = runs.poll(run.id, thread_id=run.thread_id)
    assert run.status == "completed" and run.completed_at >= run.created_at, run


@check
def runs_under_way_say_when_to_ask_again():
    run = waiting_run()
    reply = runs.with_raw_response.submit_tool_outputs(
        run.id, thread_id=run.thread_id, tool_outputs=outputs(run)
    )
    assert reply.parse().status == "queued", reply.text
    assert int(reply.headers["openai-poll-after-ms"]) > 0, reply.headers
    runs.poll(run.id, thread_id=run.thread_id)
    reply = runs.with_raw_response.retrieve(run.id, thread_id=run.thread_id)
    assert reply.parse().status == "completed", reply.text
    assert "openai-poll-after-ms" not in reply.headers, reply.headers
