// Sends a known number of spans, metrics and log records with the OpenTelemetry JavaScript SDK.
// What is sent is described in ../README.md; the last line of the output says it as JSON.
import { parseArgs } from 'node:util';
import { context, diag, DiagLogLevel, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { AggregationType, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

const ROUTES = [
  ['GET', '/orders'],
  ['GET', '/orders/{id}'],
  ['GET', '/cart'],
  ['POST', '/checkout'],
];

/** The suffix of the exporters' packages for each protocol. */
const PACKAGES = { grpc: 'grpc', 'http/protobuf': 'proto', 'http/json': 'http' };

async function main() {
  const args = argumentsOf(process.argv);
  let failures = 0;
  const quiet = () => {};
  const failed = (...words) => {
    failures += 1;
    console.error(...words);
  };
  diag.setLogger({ error: failed, warn: quiet, info: quiet, debug: quiet, verbose: quiet }, DiagLogLevel.ERROR);

  const exporter = await exporters(args);
  const resource = resourceFromAttributes({ 'service.name': args.service, 'service.version': '1.2.3' });
  const batch = { maxQueueSize: Math.max(2048, args.spans), maxExportBatchSize: args.batch };
  const traces = new TracerProvider({
    resource,
    spanProcessors: [new BatchSpanProcessor({ exporter: exporter.traces, ...batch })],
  });
  const metrics = new MeterProvider({
    resource,
    readers: [new PeriodicExportingMetricReader({ exporter: exporter.metrics, exportIntervalMillis: 3_600_000 })],
    views: [{ instrumentName: 'client.order.size', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
  });
  const logs = new LoggerProvider({
    resource,
    processors: [new BatchLogRecordProcessor({ exporter: exporter.logs, ...batch })],
  });

  const sent = send(args, traces.getTracer('client'), metrics.getMeter('client'), logs.getLogger('client'));
  for (const provider of [traces, metrics, logs]) {
    await provider.forceFlush();
    await provider.shutdown();
  }
  console.log(JSON.stringify({ sdk: 'javascript', service: args.service, protocol: args.protocol, ...sent }));
  return failures === 0 ? 0 : 1;
}

function argumentsOf(argv) {
  const option = { type: 'string' };
  const { values } = parseArgs({
    args: argv.slice(2),
    options: { protocol: option, endpoint: option, spans: option, service: option, batch: option },
  });
  const { protocol, endpoint, service } = values;
  const spans = Number(values.spans);
  if (!(protocol in PACKAGES) || !endpoint || !service || !Number.isInteger(spans)) {
    throw new Error(
      'usage: --protocol grpc|http/protobuf|http/json --endpoint http://HOST:PORT --spans N --service NAME [--batch N]',
    );
  }
  return { protocol, endpoint, service, spans, batch: Number(values.batch ?? 512) };
}

async function exporters({ protocol, endpoint }) {
  const suffix = PACKAGES[protocol];
  const url = (signal) => (protocol === 'grpc' ? endpoint : `${endpoint}/v1/${signal}`);
  const traces = await import(`@opentelemetry/exporter-trace-otlp-${suffix}`);
  const metrics = await import(`@opentelemetry/exporter-metrics-otlp-${suffix}`);
  const logs = await import(`@opentelemetry/exporter-logs-otlp-${suffix}`);
  return {
    traces: new traces.OTLPTraceExporter({ url: url('traces') }),
    metrics: new metrics.OTLPMetricExporter({ url: url('metrics') }),
    logs: new logs.OTLPLogExporter({ url: url('logs') }),
  };
}

function send(args, tracer, meter, logger) {
  const orders = meter.createCounter('client.orders', { unit: '{order}' });
  const duration = meter.createHistogram('client.order.duration', { unit: 'ms' });
  const size = meter.createHistogram('client.order.size', { unit: 'By' });
  const sent = { spans: 0, errors: 0, logs: 0, requests: 0, server_ms: 0, client_ms: 0, trace_id: '' };

  for (let request = 0; request < Math.ceil(args.spans / 2); request++) {
    const [method, route] = ROUTES[request % ROUTES.length];
    const failed = request % 10 === 9;
    const serverMs = 10 + (request % 10);
    const clientMs = 5;
    const start = Date.now() - serverMs;
    const attributes = {
      'http.request.method': method,
      'http.route': route,
      'http.response.status_code': failed ? 500 : 200,
    };
    const server = tracer.startSpan(`${method} ${route}`, { kind: SpanKind.SERVER, attributes, startTime: start });
    const inServer = trace.setSpan(context.active(), server);
    const withClient = sent.spans + 1 < args.spans;
    if (withClient) {
      call(tracer, inServer, failed, start, clientMs);
    }
    orders.add(1, { 'http.route': route }, inServer);
    duration.record(serverMs, { 'http.route': route }, inServer);
    size.record(100 * (1 + (request % 7)), { 'http.route': route }, inServer);
    for (let record = 0; record < (withClient ? 2 : 1); record++) {
      log(logger, inServer, failed, `${method} ${route} answered`, route);
    }
    if (failed) {
      server.recordException(new Error('the inventory did not answer'));
      server.setStatus({ code: SpanStatusCode.ERROR, message: 'the inventory did not answer' });
    }
    server.end(start + serverMs);

    if (request === 0) {
      sent.trace_id = server.spanContext().traceId;
    }
    const spans = withClient ? 2 : 1;
    sent.spans += spans;
    sent.logs += spans;
    sent.errors += failed ? spans : 0;
    sent.requests += 1;
    sent.server_ms += serverMs;
    sent.client_ms += withClient ? clientMs : 0;
  }
  return sent;
}

function call(tracer, parent, failed, start, clientMs) {
  const attributes = {
    'http.request.method': 'GET',
    'http.response.status_code': failed ? 503 : 200,
    'server.address': 'inventory',
    'peer.service': 'inventory',
  };
  const client = tracer.startSpan('GET', { kind: SpanKind.CLIENT, attributes, startTime: start + 2 }, parent);
  if (failed) {
    client.setStatus({ code: SpanStatusCode.ERROR, message: '503' });
  }
  client.end(start + 2 + clientMs);
}

function log(logger, parent, failed, body, route) {
  logger.emit({
    timestamp: Date.now(),
    severityNumber: failed ? SeverityNumber.ERROR : SeverityNumber.INFO,
    severityText: failed ? 'ERROR' : 'INFO',
    body,
    attributes: { 'http.route': route },
    context: parent,
  });
}

process.exitCode = await main();
