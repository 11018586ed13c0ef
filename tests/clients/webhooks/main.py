"""Receives webhooks and has vendors' own libraries read them: 204 for what they take, 400 for what they refuse."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from slack_sdk.models.blocks import Block
from standardwebhooks.webhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ROTATED = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"


def standard(headers, body):
    """Both secrets of a rotation must verify."""
    for secret in (SECRET, ROTATED):
        event = Webhook(secret).verify(body, headers)
        assert event["type"].startswith("alert."), event
    assert len(body) <= 20 * 1024


def cloudevents(headers, body):
    event = from_http_event(HTTPMessage(headers=headers, body=body))
    assert event.get_type().startswith("io.trueline.alert."), event.get_type()
    assert event.get_subject() and event.get_id() and event.get_time()


def slack(_headers, body):
    message = json.loads(body)
    assert message["text"]
    blocks = Block.parse_all(message["blocks"])
    assert 0 < len(blocks) <= 50
    for block in blocks:
        block.validate_json()


CHECKS = {"/standard": standard, "/cloudevents": cloudevents, "/slack": slack}


class Receiver(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, b"ready")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            CHECKS[self.path](headers, body)
        except Exception as problem:  # Whatever a library says against it is what the test wants to know.
            print(f"{self.path}: {type(problem).__name__}: {problem}", flush=True)
            self.answer(400, repr(problem).encode())
        else:
            self.answer(200, b"")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
