"""What schemathesis is told beside the document: objects that are there, and what a stream is.

Loaded by schemathesis, which `cargo xtask contract` runs.
"""

import json
import os

import schemathesis
from jsonschema_rs import Draft202012Validator
from schemathesis.core.failures import Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

import objects

REPLIES = open(os.environ["CONTRACT_REPLIES"], "w", buffering=1)
calls = {}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Puts objects that are there where made-up identifiers would only be told that there is nothing.

    Each fourth request keeps what was made up, and so does what is wrong on purpose or comes from an
    earlier reply.
    """
    if case.meta is None or case.meta.phase.name == TestPhase.STATEFUL:
        return
    label = case.operation.label
    calls[label] = calls.get(label, 0) + 1
    if calls[label] % 4 == 0:
        return
    found = None
    if case.path_parameters and not case.meta.is_negative_at(ParameterLocation.PATH):
        found = objects.named(case.path_parameters)
        case.path_parameters = {**case.path_parameters, **found}
    if isinstance(case.body, dict) and not case.meta.is_negative_at(ParameterLocation.BODY):
        case.body = {**case.body, **objects.meant(case.body, found or {})}


@schemathesis.hook
def after_call(context, case, response):
    reply = {"method": case.operation.method.upper(), "path": case.operation.path}
    print(json.dumps({**reply, "status": response.status_code}), file=REPLIES)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Leaves events to the check below: the data of an event is described as the JSON that it holds,
    and schemathesis takes it for a text.
    """
    return failure.title != "SSE event violates schema"


@schemathesis.check
def stream_conformance(context, response, case):
    """Each event of a stream is one that the document describes, and the last is `done`."""
    kind = response.headers.get("content-type", [""])[0]
    if not kind.startswith("text/event-stream"):
        return
    document = case.operation.schema.raw_schema
    schema = {"$ref": "#/components/schemas/StreamEvent", "components": document["components"]}
    described = Draft202012Validator(schema)
    events = [event_of(block) for block in response.text.split("\n\n") if "data: " in block]

    def fail(title, message):
        raise Failure(operation=case.operation.label, title=title, message=message)

    for event in events:
        for error in described.iter_errors(event):
            fail("Event outside the schema", f"{event}: {error}")
    if not events or events[-1]["event"] != "done":
        fail("Stream without an end", response.text[-500:])


def event_of(block):
    # Not splitlines: what ends a line elsewhere may stand within JSON.
    fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
    data = fields["data"]
    return {"event": fields["event"], "data": data if data == "[DONE]" else json.loads(data)}
