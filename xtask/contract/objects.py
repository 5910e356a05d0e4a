"""Objects on the server, made when a request wants one."""

import os

import requests

BASE_URL = os.environ["CONTRACT_BASE_URL"]
session = requests.Session()
session.headers["Authorization"] = f"Bearer {os.environ['CONTRACT_API_KEY']}"
FUNCTION = {"type": "function", "function": {"name": "get_weather"}}


def post(path, **body):
    reply = session.post(BASE_URL + path, json=body)
    reply.raise_for_status()
    return reply.json()


def get(path):
    reply = session.get(BASE_URL + path)
    reply.raise_for_status()
    return reply.json()


def assistant():
    return post("/assistants", model="offline", tools=[FUNCTION])["id"]


def thread():
    return post("/threads", messages=[{"role": "user", "content": "What is the weather in Paris?"}])["id"]


def waiting_run(thread_id):
    """A run that waits for the output of its one call."""
    run = post(f"/threads/{thread_id}/runs", assistant_id=assistant())
    while run["status"] in ("queued", "in_progress"):
        run = get(f"/threads/{thread_id}/runs/{run['id']}")
    assert run["status"] == "requires_action", run
    return run["id"]


def named(parameters):
    """The identifiers of new objects, for the parameters of a path."""
    found = {}
    if "assistant_id" in parameters:
        found["assistant_id"] = assistant()
    if "thread_id" in parameters:
        found["thread_id"] = thread()
        place = f"/threads/{found['thread_id']}"
        if "message_id" in parameters:
            found["message_id"] = get(f"{place}/messages")["data"][0]["id"]
        if "run_id" in parameters:
            found["run_id"] = waiting_run(found["thread_id"])
            if "step_id" in parameters:
                found["step_id"] = get(f"{place}/runs/{found['run_id']}/steps")["data"][0]["id"]
    return found


def meant(body, found):
    """What a body says of other objects, as it is true of these."""
    changed = {}
    if "assistant_id" in body:
        changed["assistant_id"] = assistant()
    if "tool_outputs" in body and "run_id" in found:
        run = get(f"/threads/{found['thread_id']}/runs/{found['run_id']}")
        calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
        changed["tool_outputs"] = [{"tool_call_id": call["id"], "output": "18 degrees"} for call in calls]
    return changed
