"""A server with low limits: it requires a key, and allows 64 KiB per request, no streams, and 3 s per run."""

import os

import openai

from harness import check, connect, expect_error
from fixtures import assistant, thread, waiting_run


def guarded(key):
    return connect(base_url=os.environ["GUARDED_BASE_URL"], api_key=key, max_retries=0)


client = guarded(os.environ["GUARDED_API_KEY"])
runs = client.beta.threads.runs


@check
def a_wrong_key_is_an_authentication_error():
    unknown = guarded("wrong-key")
    error = expect_error(openai.AuthenticationError, 401, "Incorrect API key", unknown.beta.assistants.list)
    assert error.code == "invalid_api_key" and "wrong-key" not in error.message, error.body
    expect_error(
        openai.AuthenticationError,
        401,
        "Incorrect API key",
        lambda: unknown.beta.threads.runs.create(thread_id="t", assistant_id="a", stream=True),
    )


@check
def objects_are_private_to_their_key():
    other = guarded(os.environ["GUARDED_OTHER_API_KEY"])
    own_assistant, own_thread = assistant(at=client), thread(at=client)
    for object_id, call in [
        (own_assistant.id, other.beta.assistants.retrieve),
        (own_thread.id, other.beta.threads.delete),
    ]:
        expect_error(openai.NotFoundError, 404, object_id, lambda: call(object_id))
    assert other.beta.assistants.list().data == []
    assert client.beta.threads.retrieve(own_thread.id) == own_thread


@check
def too_many_streams_are_a_rate_limit_error():
    arguments = {"thread_id": thread(at=client).id, "assistant_id": assistant(at=client).id}
    error = expect_error(
        openai.RateLimitError, 429, "Rate limit", lambda: runs.create(**arguments, stream=True)
    )
    assert error.code == "rate_limit_exceeded", error.body
    assert int(error.response.headers["retry-after"]) > 0, error.response.headers
    assert runs.create_and_poll(**arguments).status == "completed"


@check
def a_request_that_is_too_large_is_rejected():
    expect_error(openai.APIStatusError, 413, "65536", lambda: thread("long " * 20000, at=client))


@check
def a_run_that_waits_too_long_expires():
    run = waiting_run(at=client)
    while run.status == "requires_action":
        run = runs.retrieve(run.id, thread_id=run.thread_id)
    assert run.status == "expired" and run.expires_at is None, run
    assert runs.steps.list(run.id, thread_id=run.thread_id).data[0].status == "expired"
