"""A provider with `/responses`, `/files`, `/uploads`, `/vector_stores` and `/models`, for the gates.

Its model is a script: the words of the last message decide what it calls. It has the tools `file_search` and
`code_interpreter`. Its objects are in memory; of long files it keeps only the length.
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import objects
import responses
from errors import ApiError

# How much of a body is kept. The rest is counted.
MAX_KEPT_BYTES = 16 * 1024 * 1024
READ_BYTES = 256 * 1024


class Body:
    """A request body, of which the first bytes are kept."""

    def __init__(self, parts):
        self.start, self.length = bytearray(), 0
        for part in parts:
            self.length += len(part)
            if len(self.start) < MAX_KEPT_BYTES:
                self.start += part[: MAX_KEPT_BYTES - len(self.start)]

    def json(self):
        if not self.start:
            return {}
        try:
            value = json.loads(self.start)
        except ValueError:
            raise ApiError(400, "The body is not valid JSON.")
        if not isinstance(value, dict):
            raise ApiError(400, "The body is not a JSON object.")
        return value

    def form(self, content_type):
        """The fields of a form. A file is its name, its content and its length."""
        boundary = re.search(r'boundary="?([^";]+)', content_type or "")
        if boundary is None:
            raise ApiError(400, "The body is not a form.")
        fields = {}
        for part in bytes(self.start).split(b"--" + boundary[1].encode()):
            head, _, content = part.partition(b"\r\n\r\n")
            name = re.search(rb'name="([^"]*)"', head)
            if name is None:
                continue
            file_name = re.search(rb'filename="([^"]*)"', head)
            content = content.removesuffix(b"\r\n")
            if file_name:
                length = len(content) + max(0, self.length - len(self.start))
                fields[name[1].decode()] = (file_name[1].decode("utf-8", "replace"), content, length)
            else:
                fields[name[1].decode()] = content.decode("utf-8", "replace")
        return fields


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def parts(self):
        """The parts of the body, which has a length or is chunked."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while length := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(length)
                self.rfile.readline()
            self.rfile.readline()
            return
        rest = int(self.headers.get("Content-Length") or 0)
        while rest:
            part = self.rfile.read(min(rest, READ_BYTES))
            if not part:
                return
            rest -= len(part)
            yield part

    def answer(self):
        body = Body(self.parts())
        url = urlsplit(self.path)
        path = url.path.removeprefix("/v1")
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        try:
            if not self.headers.get("Authorization"):
                raise ApiError(401, "The request has no key.")
            if (self.command, path) == ("POST", "/responses"):
                return self.stream(responses.events(body.json()))
            result = objects.answer(self.command, path, query, body, self.headers.get("Content-Type"))
        except ApiError as error:
            return self.send(error.status, json.dumps(error.body()).encode(), "application/json")
        if isinstance(result, tuple):
            return self.send(200, *result)
        self.send(200, json.dumps(result).encode(), "application/json")

    do_GET = do_HEAD = do_POST = do_DELETE = do_PUT = do_PATCH = answer

    def send(self, status, content, content_type):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def stream(self, events):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            text = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.write(b"0\r\n\r\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        # Clients that cancel a run close their connection.
        if not isinstance(sys.exc_info()[1], (BrokenPipeError, ConnectionResetError)):
            super().handle_error(request, client_address)


server = Server(("127.0.0.1", 0), Handler)
print(f"the provider listens on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
