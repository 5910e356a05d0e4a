"""Refusals as the client's own exceptions."""

import openai

from gate import check, client, refused
from given import assistant, outputs, runs, thread, waiting_run

threads = client.beta.threads


def bad_request(part, call):
    error = refused(openai.BadRequestError, 400, part, call)
    assert error.type == "invalid_request_error", error.body
    return error


def not_found(part, call):
    return refused(openai.NotFoundError, 404, part, call)


@check
def what_is_not_there_is_not_found():
    run = waiting_run()
    place = run.thread_id
    not_found("No thread found with id 'thread_x'.", lambda: threads.retrieve("thread_x"))
    not_found("No assistant found with id 'asst_x'.", lambda: client.beta.assistants.retrieve("asst_x"))
    not_found(
        "No message found with id 'msg_x'.", lambda: threads.messages.retrieve("msg_x", thread_id=place)
    )
    not_found("No run found with id 'run_x'.", lambda: runs.retrieve("run_x", thread_id=place))
    not_found(
        "No run found", lambda: runs.submit_tool_outputs("run_x", thread_id=place, tool_outputs=outputs(run))
    )
    not_found("No assistant found", lambda: runs.create(thread_id=thread().id, assistant_id="asst_x"))
    elsewhere = thread().id
    not_found(f"No run found with id '{run.id}'.", lambda: runs.retrieve(run.id, thread_id=elsewhere))


@check
def what_cannot_be_is_a_bad_request():
    place, helper = thread(), assistant()

    def run_with(**given):
        return lambda: runs.create(thread_id=place.id, assistant_id=helper.id, **given)

    assert bad_request("Invalid 'temperature'", run_with(temperature=3)).param == "temperature"
    wrong = bad_request("parallel_tool_calls", run_with(extra_body={"parallel_tool_calls": None}))
    assert (wrong.code, wrong.param) == ("invalid_type", "parallel_tool_calls"), wrong.body
    wrong = bad_request("code_interpreter", lambda: assistant({"type": "code_interpreter"}))
    assert wrong.param == "tools[0].type", wrong.body
    wrong = bad_request(
        "tool resources",
        lambda: threads.update(place.id, tool_resources={"file_search": {"vector_store_ids": ["vs_1"]}}),
    )
    assert wrong.param == "tool_resources.file_search", wrong.body
    assert bad_request("asst_x", lambda: client.beta.assistants.list(after="asst_x")).param == "after"
    assert bad_request("limit", lambda: client.beta.assistants.list(limit=101)).param == "limit"
    metadata = {str(number): "" for number in range(17)}
    assert bad_request("metadata", lambda: threads.create(metadata=metadata)).param == "metadata"


@check
def a_busy_thread_takes_nothing_else():
    run = waiting_run()
    place = run.thread_id
    bad_request(
        f"Thread {place} already has an active run {run.id}.",
        lambda: runs.create(thread_id=place, assistant_id=run.assistant_id),
    )
    bad_request(
        f"Can't add messages to {place} while a run {run.id} is active.",
        lambda: threads.messages.create(place, role="user", content="Hurry"),
    )
    asked = threads.messages.list(place).data[0]
    bad_request(
        f"Can't delete messages from {place} while a run {run.id} is active.",
        lambda: threads.messages.delete(asked.id, thread_id=place),
    )
    assert threads.delete(place).deleted
    not_found("No thread found", lambda: runs.cancel(run.id, thread_id=place))


@check
def a_run_takes_the_outputs_it_waits_for():
    run = waiting_run()
    right = outputs(run)
    call = right[0]["tool_call_id"]
    for wrong, message in [
        ([], f"Expected tool outputs for call_ids ['{call}'], got []"),
        (right + right, f"Duplicate call_ids submitted: ['{call}', '{call}']"),
    ]:
        bad_request(
            message, lambda: runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=wrong)
        )
    runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=run.thread_id, tool_outputs=right)
    bad_request(
        'Runs in status "completed" do not accept tool outputs.',
        lambda: runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=right),
    )
    bad_request(
        "Cannot cancel run with status 'completed'.", lambda: runs.cancel(run.id, thread_id=run.thread_id)
    )


@check
def a_refused_stream_is_an_error_and_no_stream():
    run = waiting_run()
    bad_request(
        f"Thread {run.thread_id} already has an active run {run.id}.",
        lambda: runs.create(thread_id=run.thread_id, assistant_id=run.assistant_id, stream=True),
    )

    def helper():
        with runs.stream(thread_id="thread_x", assistant_id=run.assistant_id) as stream:
            stream.until_done()

    not_found("No thread found with id 'thread_x'.", helper)
