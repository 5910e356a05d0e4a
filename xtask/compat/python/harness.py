"""Clients, checks, and reports: a JSON object on a line for each response and each check."""

import json
import signal
import sys
import traceback
import warnings

import openai

# The client deprecates the whole API.
warnings.filterwarnings("ignore", category=DeprecationWarning)


def report(**line):
    print(json.dumps(line), flush=True)


def report_response(response):
    report(method=response.request.method, path=response.request.url.path, status=response.status_code)


def connect(base_url=None, api_key=None, **options):
    """Creates a client like an application does, and reports each response."""
    http_client = openai.DefaultHttpxClient(event_hooks={"response": [report_response]})
    return openai.OpenAI(base_url=base_url, api_key=api_key, http_client=http_client, **options)


client = connect()
checks = []

# Polling a run that hangs would never end.
CHECK_TIMEOUT_SECONDS = 60


def raise_timeout(*_):
    raise TimeoutError(f"timed out after {CHECK_TIMEOUT_SECONDS} s")


def add_check(topic, name, body):
    checks.append((topic, name.replace("_", " "), body))


def check(function):
    """Adds a check, whose name is that of the function. The other client has checks of the same names."""
    add_check(function.__module__, function.__name__, function)
    return function


def expect_error(kind, status, part, call):
    """Returns the error of a call that the server rejects."""
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
    signal.signal(signal.SIGALRM, raise_timeout)
    for topic, name, body in checks:
        signal.alarm(CHECK_TIMEOUT_SECONDS)
        try:
            body()
            failure = None
        except Exception:
            failure = traceback.format_exc()
        signal.alarm(0)
        report(topic=topic, check=name, failure=failure)
