"""The fields that the API of responses requires of each event, item, part and annotation, with their types."""

TEXT, NUMBER, LIST, OBJECT = str, int, list, dict
ITEM = {"item_id": TEXT, "output_index": NUMBER}
PART = {**ITEM, "content_index": NUMBER}
RESPONSE = {"response": OBJECT}

EVENTS = {
    "response.created": RESPONSE,
    "response.in_progress": RESPONSE,
    "response.completed": RESPONSE,
    "response.output_item.added": {"output_index": NUMBER, "item": OBJECT},
    "response.output_item.done": {"output_index": NUMBER, "item": OBJECT},
    "response.content_part.added": {**PART, "part": OBJECT},
    "response.content_part.done": {**PART, "part": OBJECT},
    "response.output_text.delta": {**PART, "delta": TEXT, "logprobs": LIST},
    "response.output_text.done": {**PART, "text": TEXT, "logprobs": LIST},
    "response.output_text.annotation.added": {**PART, "annotation_index": NUMBER, "annotation": OBJECT},
    "response.function_call_arguments.delta": {**ITEM, "delta": TEXT},
    "response.function_call_arguments.done": {**ITEM, "name": TEXT, "arguments": TEXT},
    "response.code_interpreter_call.in_progress": ITEM,
    "response.code_interpreter_call_code.delta": {**ITEM, "delta": TEXT},
    "response.code_interpreter_call_code.done": {**ITEM, "code": TEXT},
    "response.code_interpreter_call.interpreting": ITEM,
    "response.code_interpreter_call.completed": ITEM,
    "response.file_search_call.in_progress": ITEM,
    "response.file_search_call.searching": ITEM,
    "response.file_search_call.completed": ITEM,
}

# By the field `type`. None accepts any value, and also null.
OBJECTS = {
    "message": {"id": TEXT, "role": TEXT, "content": LIST, "status": TEXT},
    "function_call": {"call_id": TEXT, "name": TEXT, "arguments": TEXT},
    "code_interpreter_call": {"id": TEXT, "status": TEXT, "container_id": TEXT, "code": None, "outputs": None},
    "file_search_call": {"id": TEXT, "status": TEXT, "queries": LIST},
    "output_text": {"text": TEXT, "annotations": LIST, "logprobs": LIST},
    "file_citation": {"file_id": TEXT, "index": NUMBER, "filename": TEXT},
    "container_file_citation": {
        "container_id": TEXT,
        "file_id": TEXT,
        "start_index": NUMBER,
        "end_index": NUMBER,
        "filename": TEXT,
    },
    "logs": {"logs": TEXT},
    "image": {"url": TEXT},
}

RESPONSE_FIELDS = {
    "id": TEXT,
    "object": TEXT,
    "created_at": NUMBER,
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "model": TEXT,
    "tools": LIST,
    "output": LIST,
    "parallel_tool_calls": bool,
    "metadata": None,
    "tool_choice": None,
    "temperature": None,
    "top_p": None,
}


def check(event):
    """Raises an error if an event, or what it contains, is not valid."""
    fields = {"sequence_number": NUMBER, **EVENTS[event["type"]]}
    check_fields(event["type"], event, fields)
    for value in event.values():
        check_value(value)


def check_value(value):
    if isinstance(value, list):
        for item in value:
            check_value(item)
    elif isinstance(value, dict):
        if value.get("object") == "response":
            check_fields("response", value, RESPONSE_FIELDS)
        elif "type" in value:
            check_fields(value["type"], value, OBJECTS[value["type"]])
        for member in value.values():
            check_value(member)


def check_fields(name, value, fields):
    for field, kind in fields.items():
        assert field in value, f"{name} lacks {field}: {value}"
        assert kind is None or isinstance(value[field], kind), f"{name}.{field} is not {kind}: {value}"
