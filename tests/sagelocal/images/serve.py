"""A model's server as an image brings it: a prefix from the model, then what was sent, upper-cased line by line.

For application/json each line is a list, and its answer the sum. What it was asked goes to its log. The model's
variables make it behave: PARAMETERS (what it says of itself), REFUSE (a word it answers with 400), FAIL_ONCE (the
first request fails with 500), END (it ends at once), QUIET (it is never well), MEET (a folder: it answers as soon as
two servers listen that have it).
"""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODEL = Path(os.environ.get("SAGELOCAL_ML_ROOT", "/opt/ml"), "model", "prefix.txt")
PREFIX = MODEL.read_text() if MODEL.exists() else ""
asked: list[bytes] = []


def tell(values: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/ping":
            self.answer(503 if "QUIET" in os.environ else 200, b"")
        elif self.path == "/execution-parameters" and "PARAMETERS" in os.environ:
            self.answer(200, os.environ["PARAMETERS"].encode())
        else:
            self.answer(404, b"")

    def do_POST(self) -> None:
        body = self.body()
        asked.append(body)
        kind = self.headers.get("Content-Type", "")
        told = {"path": self.path, "type": kind, "accept": self.headers.get("Accept"), "body": body.decode()}
        tell(told)
        if os.environ.get("REFUSE", "\0").encode() in body:
            self.answer(400, b"no such word\n")
        elif "FAIL_ONCE" in os.environ and len(asked) == 1:
            self.answer(500, b"not yet")
        elif kind.startswith("application/json"):
            self.answer(200, b"".join(b"%d\n" % sum(json.loads(line)) for line in body.splitlines()))
        else:
            self.answer(200, "\n".join(PREFIX + line.upper() for line in body.decode().splitlines()).encode())

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Nothing: what was asked is in the log already."""


if "END" in os.environ:
    sys.exit("no model")
tell({name: text for name, text in os.environ.items() if name.startswith("SAGEMAKER_")})
port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
if "MEET" in os.environ:
    Path(os.environ["MEET"], str(os.getpid())).touch()
    while len(os.listdir(os.environ["MEET"])) < 2:  # noqa: PTH208 - its names alone
        time.sleep(0.01)
server.serve_forever()
