"""Checks of a foreign client, and reports: a JSON object on a line for each check."""

import importlib.metadata
import json
import os
import signal
import sys
import traceback
import warnings

# Clients deprecate the API.
warnings.filterwarnings("ignore")

# The server's model answers this text to messages without a topic, and after its built-in tools.
ANSWER = "Hello, here is what I have found."
BASE_URL = os.environ["OPENAI_BASE_URL"]
API_KEY = os.environ["OPENAI_API_KEY"]
AZURE_ENDPOINT = os.environ["AZURE_ENDPOINT"]
AZURE_TLS_ENDPOINT = os.environ["AZURE_TLS_ENDPOINT"]
CA_FILE = os.environ["CA_FILE"]

CHECK_TIMEOUT_SECONDS = 60
checks = []


def report(**line):
    print(json.dumps(line), flush=True)


def check(function):
    """Adds a check, whose name is that of the function."""
    checks.append(function)
    return function


def get_weather(city: str) -> str:
    """Returns the weather of a city."""
    return f"18 degrees in {city}"


def assert_weather(text):
    assert "18 degrees in Paris" in text, text


def manual(folder):
    """A file whose words the server's model finds when it is asked for the manual."""
    path = os.path.join(folder, "manual.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.write("The manual says that at most 10 requests a second are allowed.")
    return path


def raise_timeout(*_):
    raise TimeoutError(f"timed out after {CHECK_TIMEOUT_SECONDS} s")


def run(package):
    report(client=f"{package} {importlib.metadata.version(package)}", runtime=f"Python {sys.version.split()[0]}")
    # What a client prints must not be among the reports.
    output, sys.stdout = sys.stdout, sys.stderr
    signal.signal(signal.SIGALRM, raise_timeout)
    for function in checks:
        signal.alarm(CHECK_TIMEOUT_SECONDS)
        try:
            function()
            failure = None
        except BaseException:
            failure = traceback.format_exc()
        signal.alarm(0)
        line = {"topic": package, "check": function.__name__.replace("_", " "), "failure": failure}
        print(json.dumps(line), file=output, flush=True)
    # Threads of a client must not keep the program alive.
    output.flush()
    os._exit(0)
