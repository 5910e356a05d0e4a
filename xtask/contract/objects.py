"""Objects on the server, created on demand."""

import os

import requests

BASE_URL = os.environ["CONTRACT_BASE_URL"]
session = requests.Session()
session.headers["Authorization"] = f"Bearer {os.environ['CONTRACT_API_KEY']}"
FUNCTION = {"type": "function", "function": {"name": "get_weather"}}


def post(path, **body):
    response = session.post(BASE_URL + path, json=body)
    response.raise_for_status()
    return response.json()


def get(path):
    response = session.get(BASE_URL + path)
    response.raise_for_status()
    return response.json()


def assistant():
    return post("/assistants", model="offline", tools=[FUNCTION])["id"]


def thread():
    return post("/threads", messages=[{"role": "user", "content": "What is the weather in Paris?"}])["id"]


def waiting_run(thread_id):
    """A run that waits for the output of its only call."""
    run = post(f"/threads/{thread_id}/runs", assistant_id=assistant())
    while run["status"] in ("queued", "in_progress"):
        run = get(f"/threads/{thread_id}/runs/{run['id']}")
    assert run["status"] == "requires_action", run
    return run["id"]


def file():
    files = {"file": ("manual.txt", b"The manual.")}
    response = session.post(BASE_URL + "/files", files=files, data={"purpose": "assistants"})
    response.raise_for_status()
    return response.json()["id"]


def upload():
    return post("/uploads", filename="data", purpose="assistants", bytes=4, mime_type="text/plain")["id"]


def upload_part(upload_id):
    path = f"/uploads/{upload_id}/parts"
    response = session.post(BASE_URL + path, files={"data": ("part", b"data")})
    response.raise_for_status()
    return response.json()["id"]


def vector_store(file_id):
    return post("/vector_stores", name="Manuals", file_ids=[file_id])["id"]


def provider_ids_for(parameters):
    """Returns IDs of new objects that the provider has."""
    ids = {}
    if "file_id" in parameters:
        ids["file_id"] = file()
    if "upload_id" in parameters:
        ids["upload_id"] = upload()
    if "vector_store_id" in parameters:
        ids["vector_store_id"] = vector_store(ids.get("file_id") or file())
    if "batch_id" in parameters:
        path = f"/vector_stores/{ids['vector_store_id']}/file_batches"
        ids["batch_id"] = post(path, file_ids=[file()])["id"]
    if "model" in parameters:
        ids["model"] = "gpt-4o"
    return ids


def ids_for(parameters):
    """Returns IDs of new objects for path parameters."""
    ids = provider_ids_for(parameters)
    if "assistant_id" in parameters:
        ids["assistant_id"] = assistant()
    if "thread_id" in parameters:
        ids["thread_id"] = thread()
        path = f"/threads/{ids['thread_id']}"
        if "message_id" in parameters:
            ids["message_id"] = get(f"{path}/messages")["data"][0]["id"]
        if "run_id" in parameters:
            ids["run_id"] = waiting_run(ids["thread_id"])
            if "step_id" in parameters:
                ids["step_id"] = get(f"{path}/runs/{ids['run_id']}/steps")["data"][0]["id"]
    return ids


def body_fields(body, ids):
    """Returns the fields of a body that refer to other objects, with the IDs of existing ones."""
    fields = {}
    if "file_id" in body:
        fields["file_id"] = file()
    if "file_ids" in body:
        fields["file_ids"] = [file()]
    if "part_ids" in body and "upload_id" in ids:
        fields["part_ids"] = [upload_part(ids["upload_id"])]
    if "assistant_id" in body:
        fields["assistant_id"] = assistant()
    if "tool_outputs" in body and "run_id" in ids:
        run = get(f"/threads/{ids['thread_id']}/runs/{ids['run_id']}")
        calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
        fields["tool_outputs"] = [{"tool_call_id": call["id"], "output": "18 degrees"} for call in calls]
    return fields
