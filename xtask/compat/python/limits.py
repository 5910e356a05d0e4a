"""A server that lets in only its keys, takes short requests, opens no stream and waits a second."""

import os

import openai

from gate import check, connect, refused
from given import assistant, thread, waiting_run


def guarded(key):
    return connect(base_url=os.environ["GUARDED_BASE_URL"], api_key=key, max_retries=0)


client = guarded(os.environ["GUARDED_API_KEY"])
runs = client.beta.threads.runs


@check
def a_wrong_key_is_an_authentication_error():
    stranger = guarded("wrong-key")
    wrong = refused(openai.AuthenticationError, 401, "Incorrect API key", stranger.beta.assistants.list)
    assert wrong.code == "invalid_api_key" and "wrong-key" not in wrong.message, wrong.body
    refused(
        openai.AuthenticationError,
        401,
        "Incorrect API key",
        lambda: stranger.beta.threads.runs.create(thread_id="t", assistant_id="a", stream=True),
    )


@check
def a_key_sees_only_its_own_objects():
    other = guarded(os.environ["GUARDED_OTHER_API_KEY"])
    mine, place = assistant(at=client), thread(at=client)
    refused(openai.NotFoundError, 404, mine.id, lambda: other.beta.assistants.retrieve(mine.id))
    refused(openai.NotFoundError, 404, place.id, lambda: other.beta.threads.delete(place.id))
    assert other.beta.assistants.list().data == []
    assert client.beta.threads.retrieve(place.id) == place


@check
def too_many_streams_are_a_rate_limit_error():
    place = {"thread_id": thread(at=client).id, "assistant_id": assistant(at=client).id}
    limited = refused(openai.RateLimitError, 429, "Rate limit", lambda: runs.create(**place, stream=True))
    assert limited.code == "rate_limit_exceeded", limited.body
    assert int(limited.response.headers["retry-after"]) > 0, limited.response.headers
    assert runs.create_and_poll(**place).status == "completed"


@check
def a_request_that_is_too_long_is_refused():
    refused(openai.APIStatusError, 413, "65536", lambda: thread("long " * 20000, at=client))


@check
def a_run_that_waits_too_long_expires():
    run = waiting_run(at=client)
    while run.status == "requires_action":
        run = runs.retrieve(run.id, thread_id=run.thread_id)
    assert run.status == "expired" and run.expires_at is None, run
    assert runs.steps.list(run.id, thread_id=run.thread_id).data[0].status == "expired"
