"""Sends a known number of spans, metrics and log records with the OpenTelemetry Python SDK.

What is sent is described in ../README.md; the last line of the output says it as JSON.
"""

import argparse
import json
import logging
import sys
import time

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

ROUTES = [("GET", "/orders"), ("GET", "/orders/{id}"), ("GET", "/cart"), ("POST", "/checkout")]
MILLISECOND = 1_000_000


class ErrorCount(logging.Handler):
    """Counts what the SDK reports as failed; retries are warnings and do not count."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.errors = 0

    def emit(self, record):
        self.errors += 1
        print(record.getMessage(), file=sys.stderr)


def main():
    args = arguments()
    failures = ErrorCount()
    logging.getLogger("opentelemetry").addHandler(failures)
    span_exporter, metric_exporter, log_exporter = exporters(args)
    resource = Resource.create({"service.name": args.service, "service.version": "1.2.3"})
    queue = max(2048, args.spans)

    traces = TracerProvider(resource=resource)
    traces.add_span_processor(
        BatchSpanProcessor(span_exporter, max_queue_size=queue, max_export_batch_size=args.batch)
    )
    metrics = MeterProvider(
        resource=resource,
        metric_readers=[PeriodicExportingMetricReader(metric_exporter, export_interval_millis=3_600_000)],
        views=[
            View(
                instrument_type=Histogram,
                instrument_name="client.order.size",
                aggregation=ExponentialBucketHistogramAggregation(),
            )
        ],
    )
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(
        BatchLogRecordProcessor(log_exporter, max_queue_size=queue, max_export_batch_size=args.batch)
    )

    sent = send(args, traces.get_tracer("client"), metrics.get_meter("client"), logs.get_logger("client"))
    flushed = [provider.force_flush() for provider in (traces, metrics, logs)]
    for provider in (traces, metrics, logs):
        provider.shutdown()
    print(json.dumps({"sdk": "python", "service": args.service, "protocol": args.protocol, **sent}))
    return 0 if all(flushed) and failures.errors == 0 else 1


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--protocol", choices=["grpc", "http/protobuf"], required=True)
    parser.add_argument("--endpoint", required=True, help="http://HOST:PORT")
    parser.add_argument("--spans", type=int, required=True)
    parser.add_argument("--service", required=True)
    parser.add_argument("--batch", type=int, default=512)
    return parser.parse_args()


def exporters(args):
    if args.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        place = {"endpoint": args.endpoint, "insecure": True}
        return OTLPSpanExporter(**place), OTLPMetricExporter(**place), OTLPLogExporter(**place)

    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return (
        OTLPSpanExporter(endpoint=f"{args.endpoint}/v1/traces"),
        OTLPMetricExporter(endpoint=f"{args.endpoint}/v1/metrics"),
        OTLPLogExporter(endpoint=f"{args.endpoint}/v1/logs"),
    )


def send(args, tracer, meter, logger):
    orders = meter.create_counter("client.orders", unit="{order}")
    duration = meter.create_histogram("client.order.duration", unit="ms")
    size = meter.create_histogram("client.order.size", unit="By")
    sent = {"spans": 0, "errors": 0, "logs": 0, "requests": 0, "server_ms": 0, "client_ms": 0, "trace_id": ""}

    for request in range((args.spans + 1) // 2):
        method, route = ROUTES[request % len(ROUTES)]
        failed = request % 10 == 9
        server_ms, client_ms = 10 + request % 10, 5
        attributes = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": 500 if failed else 200,
        }
        start = time.time_ns() - server_ms * MILLISECOND
        server = tracer.start_span(f"{method} {route}", kind=SpanKind.SERVER, attributes=attributes, start_time=start)
        with trace.use_span(server, end_on_exit=False):
            with_client = sent["spans"] + 1 < args.spans
            if with_client:
                call(tracer, failed, start, client_ms)
            orders.add(1, {"http.route": route})
            duration.record(server_ms, {"http.route": route})
            size.record(100 * (1 + request % 7), {"http.route": route})
            for _ in range(2 if with_client else 1):
                log(logger, failed, f"{method} {route} answered", route)
        if failed:
            server.record_exception(RuntimeError("the inventory did not answer"))
            server.set_status(Status(StatusCode.ERROR, "the inventory did not answer"))
        server.end(start + server_ms * MILLISECOND)

        if request == 0:
            sent["trace_id"] = format(server.get_span_context().trace_id, "032x")
        n_spans = 2 if with_client else 1
        sent["spans"] += n_spans
        sent["logs"] += n_spans
        sent["errors"] += n_spans if failed else 0
        sent["requests"] += 1
        sent["server_ms"] += server_ms
        sent["client_ms"] += client_ms if with_client else 0
    return sent


def call(tracer, failed, start, client_ms):
    attributes = {
        "http.request.method": "GET",
        "http.response.status_code": 503 if failed else 200,
        "server.address": "inventory",
        "peer.service": "inventory",
    }
    client = tracer.start_span(
        "GET", kind=SpanKind.CLIENT, attributes=attributes, start_time=start + 2 * MILLISECOND
    )
    if failed:
        client.set_status(Status(StatusCode.ERROR, "503"))
    client.end(start + (2 + client_ms) * MILLISECOND)


def log(logger, failed, body, route):
    logger.emit(
        LogRecord(
            timestamp=time.time_ns(),
            severity_number=SeverityNumber.ERROR if failed else SeverityNumber.INFO,
            severity_text="ERROR" if failed else "INFO",
            body=body,
            attributes={"http.route": route},
        )
    )


if __name__ == "__main__":
    sys.exit(main())
