"""The client, the checks, and what they report: a line of JSON for each reply and each check."""

import json
import signal
import sys
import traceback
import warnings

import openai

# The client marks the whole API as deprecated; that is what this project is for.
warnings.filterwarnings("ignore", category=DeprecationWarning)


def report(**line):
    print(json.dumps(line), flush=True)


def tell_reply(response):
    report(method=response.request.method, path=response.request.url.path, status=response.status_code)


def connect(base_url=None, api_key=None, **options):
    """The client as an application would make it, except that each reply is told of."""
    recording = openai.DefaultHttpxClient(event_hooks={"response": [tell_reply]})
    return openai.OpenAI(base_url=base_url, api_key=api_key, http_client=recording, **options)


client = connect()
checks = []

# A run that never ends would be polled for ever.
SECONDS_FOR_A_CHECK = 60


def give_up(*_):
    raise TimeoutError(f"no end within {SECONDS_FOR_A_CHECK} s")


def check(function):
    """Names a check by its function, so that the same one is found in the other client's scripts."""
    checks.append(function)
    return function


def refused(kind, status, part, call):
    """The error by which the client tells that the server refused a call, and why."""
    try:
        call()
    except openai.APIStatusError as error:
        assert type(error) is kind, repr(error)
        assert error.status_code == status and part in error.message, error.message
        assert error.request_id and error.request_id.startswith("req_"), error.request_id
        return error
    raise AssertionError(f"expected status {status}")


def run():
    report(client=f"openai {openai.__version__}", runtime=f"Python {sys.version.split()[0]}")
    signal.signal(signal.SIGALRM, give_up)
    for function in checks:
        signal.alarm(SECONDS_FOR_A_CHECK)
        try:
            function()
            failure = None
        except Exception:
            failure = traceback.format_exc()
        signal.alarm(0)
        report(topic=function.__module__, check=function.__name__.replace("_", " "), failure=failure)
