"""Hooks of schemathesis: IDs of existing objects, and a check of event streams.

`cargo xtask contract` runs schemathesis with this file.
"""

import json
import os
import pathlib

import schemathesis
import yaml
from jsonschema_rs import Draft202012Validator
from schemathesis.core.failures import Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

import objects

RESPONSES = open(os.environ["CONTRACT_RESPONSES"], "w", buffering=1)
calls = {}

# The server has operations of another document at some of the paths.
CONSOLE = pathlib.Path(__file__).parents[2] / "openapi" / "console.yaml"
OTHER_METHODS = {
    path: sorted(method.upper() for method in item if method in ("get", "post", "delete"))
    for path, item in yaml.safe_load(CONSOLE.read_text(encoding="utf-8"))["paths"].items()
}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Replaces generated IDs by those of existing objects, since most generated ones are not found.

    Every fourth request keeps its generated values. So do values that are invalid on purpose or come
    from an earlier response.
    """
    if case.meta is None or case.meta.phase.name == TestPhase.STATEFUL:
        return
    label = case.operation.label
    calls[label] = calls.get(label, 0) + 1
    if calls[label] % 4 == 0:
        return
    ids = None
    if case.path_parameters and not case.meta.is_negative_at(ParameterLocation.PATH):
        ids = objects.ids_for(case.path_parameters)
        case.path_parameters = {**case.path_parameters, **ids}
    if isinstance(case.body, dict) and not case.meta.is_negative_at(ParameterLocation.BODY):
        case.body = {**case.body, **objects.body_fields(case.body, ids or {})}


@schemathesis.hook
def after_call(context, case, response):
    request = {"method": case.operation.method.upper(), "path": case.operation.path}
    print(json.dumps({**request, "status": response.status_code}), file=RESPONSES)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Ignores failures that are not defects of the server:

    - The schema of the data of events is that of the parsed JSON, and schemathesis validates the text.
      The check below validates events instead.
    - The methods of `console.yaml` are not declared in the tested document.
    """
    methods = OTHER_METHODS.get(case.operation.path, [])
    match failure.title:
        case "SSE event violates schema":
            return False
        case "Wrong response to undeclared method":
            return response.request.method not in methods
        case "Allow header mismatch":
            undeclared = f"Undocumented methods advertised: {', '.join(methods)}"
            return not methods or undeclared not in failure.message.splitlines()[0]
        case _:
            return True


@schemathesis.check
def stream_conformance(context, response, case):
    """Each event of a stream is valid, and the last is `done`."""
    content_type = response.headers.get("content-type", [""])[0]
    if not content_type.startswith("text/event-stream"):
        return
    document = case.operation.schema.raw_schema
    schema = {"$ref": "#/components/schemas/StreamEvent", "components": document["components"]}
    validator = Draft202012Validator(schema)
    events = [event_of(block) for block in response.text.split("\n\n") if "data: " in block]

    def fail(title, message):
        raise Failure(operation=case.operation.label, title=title, message=message)

    for event in events:
        for error in validator.iter_errors(event):
            fail("Invalid event", f"{event}: {error}")
    if not events or events[-1]["event"] != "done":
        fail("Stream without `done`", response.text[-500:])


def event_of(block):
    # `splitlines` would split at other line separators, which JSON may contain.
    fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
    data = fields["data"]
    return {"event": fields["event"], "data": data if data == "[DONE]" else json.loads(data)}
