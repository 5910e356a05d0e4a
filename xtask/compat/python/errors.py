"""Error responses as exceptions of the client."""

import openai

from harness import check, client, expect_error
from fixtures import assistant, outputs, runs, thread, waiting_run

threads = client.beta.threads


def bad_request(part, call):
    error = expect_error(openai.BadRequestError, 400, part, call)
    assert error.type == "invalid_request_error", error.body
    return error


def not_found(part, call):
    return expect_error(openai.NotFoundError, 404, part, call)


@check
def unknown_ids_are_not_found():
    run = waiting_run()
    thread_id = run.thread_id
    not_found("No thread found with id 'thread_x'.", lambda: threads.retrieve("thread_x"))
    not_found("No assistant found with id 'asst_x'.", lambda: client.beta.assistants.retrieve("asst_x"))
    not_found(
        "No message found with id 'msg_x'.", lambda: threads.messages.retrieve("msg_x", thread_id=thread_id)
    )
    not_found("No run found with id 'run_x'.", lambda: runs.retrieve("run_x", thread_id=thread_id))
    tool_outputs = outputs(run)
    not_found(
        "No run found",
        lambda: runs.submit_tool_outputs("run_x", thread_id=thread_id, tool_outputs=tool_outputs),
    )
    not_found("No assistant found", lambda: runs.create(thread_id=thread().id, assistant_id="asst_x"))
    other = thread().id
    not_found(f"No run found with id '{run.id}'.", lambda: runs.retrieve(run.id, thread_id=other))


@check
def invalid_parameters_are_a_bad_request():
    thread_id, assistant_id = thread().id, assistant().id

    def run_with(**parameters):
        return lambda: runs.create(thread_id=thread_id, assistant_id=assistant_id, **parameters)

    assert bad_request("Invalid 'temperature'", run_with(temperature=3)).param == "temperature"
    error = bad_request("parallel_tool_calls", run_with(extra_body={"parallel_tool_calls": "yes"}))
    assert (error.code, error.param) == ("invalid_type", "parallel_tool_calls"), error.body
    error = bad_request("code_interpreter", lambda: assistant({"type": "code_interpreter"}))
    assert error.param == "tools[0].type", error.body
    error = bad_request(
        "tool resources",
        lambda: threads.update(thread_id, tool_resources={"file_search": {"vector_store_ids": ["vs_1"]}}),
    )
    assert error.param == "tool_resources.file_search", error.body
    assert bad_request("asst_x", lambda: client.beta.assistants.list(after="asst_x")).param == "after"
    assert bad_request("limit", lambda: client.beta.assistants.list(limit=101)).param == "limit"
    metadata = {str(number): "" for number in range(17)}
    assert bad_request("metadata", lambda: threads.create(metadata=metadata)).param == "metadata"


@check
def a_thread_with_an_active_run_is_locked():
    run = waiting_run()
    thread_id = run.thread_id
    bad_request(
        f"Thread {thread_id} already has an active run {run.id}.",
        lambda: runs.create(thread_id=thread_id, assistant_id=run.assistant_id),
    )
    bad_request(
        f"Can't add messages to {thread_id} while a run {run.id} is active.",
        lambda: threads.messages.create(thread_id, role="user", content="Hurry"),
    )
    message = threads.messages.list(thread_id).data[0]
    bad_request(
        f"Can't delete messages from {thread_id} while a run {run.id} is active.",
        lambda: threads.messages.delete(message.id, thread_id=thread_id),
    )
    assert threads.delete(thread_id).deleted
    not_found("No thread found", lambda: runs.cancel(run.id, thread_id=thread_id))


@check
def tool_outputs_must_match_the_pending_calls():
    run = waiting_run()
    valid = outputs(run)
    call = valid[0]["tool_call_id"]
    for invalid, message in [
        ([], f"Expected tool outputs for call_ids ['{call}'], got []"),
        (valid + valid, f"Duplicate call_ids submitted: ['{call}', '{call}']"),
    ]:
        bad_request(
            message, lambda: runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=invalid)
        )
    runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=run.thread_id, tool_outputs=valid)
    bad_request(
        'Runs in status "completed" do not accept tool outputs.',
        lambda: runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=valid),
    )
    bad_request(
        "Cannot cancel run with status 'completed'.", lambda: runs.cancel(run.id, thread_id=run.thread_id)
    )


@check
def a_rejected_stream_is_an_error():
    run = waiting_run()
    bad_request(
        f"Thread {run.thread_id} already has an active run {run.id}.",
        lambda: runs.create(thread_id=run.thread_id, assistant_id=run.assistant_id, stream=True),
    )

    def stream():
        with runs.stream(thread_id="thread_x", assistant_id=run.assistant_id) as events:
            events.until_done()

    not_found("No thread found with id 'thread_x'.", stream)
