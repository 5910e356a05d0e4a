"""The script of the model, as events of a response. Each event is checked before it is sent."""

import event_table
import objects
from errors import ApiError


def events(request):
    """Returns the numbered and checked events of a response."""
    turn = Turn(request)
    script(turn)
    created = [turn.event("response.created", response=turn.response("in_progress"))]
    created += [turn.event("response.in_progress", response=turn.response("in_progress"))]
    sent = created + turn.events + [turn.event("response.completed", response=turn.response("completed"))]
    for number, event in enumerate(sent):
        event["sequence_number"] = number
        event_table.check(event)
    return sent


def script(turn):
    """Decides by the last message, and by the outputs that follow it, what the model does."""
    words, outputs = turn.last_words()
    if outputs:
        return turn.message("The tool says: " + "; ".join(outputs))
    if "weather" in words and turn.tool("function"):
        name = turn.tool("function")["name"]
        return turn.function(name, '{"city":"Paris"}')
    citations = []
    if "manual" in words and turn.tool("file_search"):
        citations += turn.search(words)
    if "compute" in words and turn.tool("code_interpreter"):
        citations.append(turn.compute("print(6 * 7)"))
    turn.message("Hello, here is what I have found.", citations)


class Turn:
    """A response in the making."""

    def __init__(self, request):
        if not isinstance(request.get("input"), (list, str)):
            raise ApiError(400, "Missing required parameter: 'input'.", "input")
        self.request, self.events, self.output = request, [], []

    def tool(self, kind):
        tools = self.request.get("tools") or []
        return next((tool for tool in tools if tool["type"] == kind), None)

    def last_words(self):
        items = self.request["input"]
        if isinstance(items, str):
            return items.lower(), []
        words, outputs = "", []
        for item in items:
            if item["type"] == "message" and item["role"] == "user":
                content = item["content"]
                parts = [part.get("text", "") for part in content] if isinstance(content, list) else [content]
                words, outputs = " ".join(parts).lower(), []
            elif item["type"] == "function_call_output":
                outputs.append(item["output"])
        return words, outputs

    def event(self, kind, **fields):
        return {"type": kind, **fields}

    def emit(self, kind, **fields):
        """Adds an event of the current item."""
        index = len(self.output)
        self.events.append(self.event(f"response.{kind}", output_index=index, item_id=f"item_{index}", **fields))

    def added(self, item):
        event = self.event("response.output_item.added", output_index=len(self.output), item=item)
        self.events.append(event)

    def done(self, item):
        event = self.event("response.output_item.done", output_index=len(self.output), item=item)
        self.events.append(event)
        self.output.append(item)

    def item(self, kind, status, **fields):
        return {"type": kind, "id": f"item_{len(self.output)}", "status": status, **fields}

    def message(self, text, citations=()):
        start = self.item("message", "in_progress", role="assistant", content=[])
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        self.added(start)
        self.emit("content_part.added", content_index=0, part=part)
        for word in text.split(" "):
            delta = word if word == text.split(" ")[0] else f" {word}"
            self.emit("output_text.delta", content_index=0, delta=delta, logprobs=[])
        annotations = [citation(text) for citation in citations]
        for index, annotation in enumerate(annotations):
            self.emit("output_text.annotation.added", content_index=0, annotation_index=index, annotation=annotation)
        self.emit("output_text.done", content_index=0, text=text, logprobs=[])
        part = {**part, "text": text, "annotations": annotations}
        self.emit("content_part.done", content_index=0, part=part)
        self.done({**start, "status": "completed", "content": [part]})

    def function(self, name, arguments):
        call_id = objects.new_id("call_")
        start = self.item("function_call", "in_progress", call_id=call_id, name=name, arguments="")
        self.added(start)
        for delta in (arguments[:4], arguments[4:]):
            self.emit("function_call_arguments.delta", delta=delta)
        self.emit("function_call_arguments.done", name=name, arguments=arguments)
        self.done({**start, "status": "completed", "arguments": arguments})

    def search(self, words):
        """Returns the citations of what was found."""
        start = self.item("file_search_call", "in_progress", queries=[words], results=None)
        self.added(start)
        for state in ("in_progress", "searching", "completed"):
            self.emit(f"file_search_call.{state}")
        found = []
        for store in self.tool("file_search")["vector_store_ids"]:
            with objects.lock:
                found += list(objects.passages(store, words))
        results = [
            {"file_id": file["id"], "filename": file["filename"], "score": 0.9, "text": text, "attributes": {}}
            for file, text in found
        ]
        self.done({**start, "status": "completed", "results": results})
        return [
            lambda text, file=file: {
                "type": "file_citation",
                "file_id": file["id"],
                "filename": file["filename"],
                "index": len(text),
            }
            for file, _ in found
        ]

    def compute(self, code):
        """Returns the citation of the file that the code has created."""
        container = objects.new_id("cntr_")
        fields = {"container_id": container, "code": "", "outputs": None}
        start = self.item("code_interpreter_call", "in_progress", **fields)
        self.added(start)
        self.emit("code_interpreter_call.in_progress")
        for delta in (code[:5], code[5:]):
            self.emit("code_interpreter_call_code.delta", delta=delta)
        self.emit("code_interpreter_call_code.done", code=code)
        self.emit("code_interpreter_call.interpreting")
        self.emit("code_interpreter_call.completed")
        image = f"https://provider.example/v1/containers/{container}/files/cfile_1/content"
        outputs = [{"type": "logs", "logs": "42\n"}, {"type": "image", "url": image}]
        self.done({**start, "status": "completed", "code": code, "outputs": outputs})
        return lambda text: {
            "type": "container_file_citation",
            "container_id": container,
            "file_id": "cfile_1",
            "filename": "plot.png",
            "start_index": text.index("here"),
            "end_index": text.index("here") + 4,
        }

    def response(self, status):
        request = self.request
        usage = {
            "input_tokens": 20,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 8,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 28,
        }
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": objects.now(),
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": request.get("instructions"),
            "metadata": {},
            "model": request.get("model"),
            "output": self.output if status == "completed" else [],
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "top_p": 1.0,
            "tool_choice": "auto",
            "tools": [],
            **({"usage": usage} if status == "completed" else {}),
        }
