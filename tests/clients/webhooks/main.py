"""Receives webhooks and has vendors' own libraries read them: 204 for what they take, 400 for what they refuse."""

import json
import sys
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from pagerduty import EventsApiV2Client
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


def pagerduty(_headers, body):
    """PagerDuty's client, asked for the same event, must send the same."""
    event, sent = json.loads(body), []

    def enqueue(request):
        sent.append(json.loads(request.content))
        return httpx2.Response(202, json={"status": "success", "dedup_key": event["dedup_key"]})

    client = EventsApiV2Client(event["routing_key"], transport=httpx2.MockTransport(enqueue))
    assert len(event["dedup_key"]) <= 255
    if event["event_action"] == "trigger":
        payload = event["payload"]
        assert payload.keys() <= PAYLOAD, payload.keys() - PAYLOAD
        assert payload["severity"] in ("critical", "error", "warning", "info"), payload["severity"]
        assert len(payload["summary"]) <= 1024
        datetime.fromisoformat(payload["timestamp"])
        client.trigger(
            payload["summary"],
            payload["source"],
            dedup_key=event["dedup_key"],
            severity=payload["severity"],
            payload={key: payload[key] for key in ("timestamp", "component", "group", "class") if key in payload},
            custom_details=payload["custom_details"],
            links=event.get("links"),
        )
        # Its method for triggers has no arguments for these two, which the API knows.
        sent[0] |= {key: event[key] for key in ("client", "client_url") if key in event}
    else:
        {"acknowledge": client.acknowledge, "resolve": client.resolve}[event["event_action"]](event["dedup_key"])
    assert sent == [event], f"PagerDuty's client sends {sent}, not {event}"


# What the Events API v2 knows in `payload`.
PAYLOAD = {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}

CHECKS = {"/standard": standard, "/cloudevents": cloudevents, "/slack": slack, "/pagerduty": pagerduty}


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
